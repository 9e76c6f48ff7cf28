#include "base/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

int sha256_file(const char *path, char text[65]) {
    enum { SIZE = 1 << 20 };
    unsigned char digest[EVP_MAX_MD_SIZE];
    FILE *file = fopen(path, "rb");
    if (!file) return status_set(STATUS_FAILED, "%s: %s", path, strerror(errno));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    char *buffer = malloc(SIZE);
    int good = context && buffer && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    for (size_t n; good && (n = fread(buffer, 1, SIZE, file)) > 0;) good = EVP_DigestUpdate(context, buffer, n);
    good = good && !ferror(file) && EVP_DigestFinal_ex(context, digest, NULL);
    for (int i = 0; good && i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(context);
    free(buffer);
    fclose(file);
    return good ? STATUS_OK
                : status_set(STATUS_FAILED, "%s: its SHA-256 could not be computed: %s", path, strerror(errno));
}
