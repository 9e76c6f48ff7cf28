/* SHA-256 of files, as `sha256sum` prints it (OpenSSL's libcrypto): for foreign files whose publishers give that sum. */
#ifndef MEDTOK_BASE_SHA256_H
#define MEDTOK_BASE_SHA256_H

/* 64 hexadecimal digits and a zero into text. */
int sha256_file(const char *path, char text[65]);

#endif
