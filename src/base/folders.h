/* Folders of files that are to be written. */
#ifndef MEDTOK_BASE_FOLDERS_H
#define MEDTOK_BASE_FOLDERS_H

/* Makes a folder and those that it lies in, where they are missing. The error names the one that cannot be made, and why. */
int folder_make(const char *folder);

/* The same for the folder of a file. */
int folder_make_for(const char *file);

#endif
