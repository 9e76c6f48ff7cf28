/* HDF5 types and errors. */
#include <stdlib.h>
#include <string.h>

#include "store/h5internal.h"

void h5_quiet(void) {
    static int done;
    if (done) return;
    done = 1;
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0);
    H5dont_atexit(); /* after a full disk, flushing again at exit would fail again and can crash */
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static char reason[256];
static int is_system;

static herr_t keep_reason(unsigned n, const H5E_error2_t *error, void *context) {
    (void)n;
    (void)context;
    if (error->desc && error->desc[0]) snprintf(reason, sizeof reason, "%s", error->desc);
    if (error->maj_num == H5E_RESOURCE || (error->desc && strstr(error->desc, "errno = "))) is_system = 1;
    return 0;
}

const char *h5_reason(void) {
    reason[0] = 0;
    is_system = 0;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_reason, NULL);
    H5Eclear2(H5E_DEFAULT);
    /* The innermost text often holds the system's own: "..., errno = 28, error message = 'No space left on device', ..." */
    char *system = strstr(reason, "error message = '");
    if (system) {
        system += strlen("error message = '");
        system[strcspn(system, "'")] = 0;
        return system;
    }
    return reason[0] ? reason : "HDF5 does not say why";
}

int h5_reason_is_system(void) { return is_system; }

/* IEEE half precision, which HDF5 1.10 does not name. */
static hid_t half_type(void) {
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_precision(type, 16);
    H5Tset_ebias(type, 15);
    H5Tset_size(type, 2);
    return type;
}

hid_t h5_type(enum h5type type, int64_t cols) {
    switch (type) {
        case H5_U8: return H5Tcopy(H5T_STD_U8LE);
        case H5_U16: return H5Tcopy(H5T_STD_U16LE);
        case H5_I32: return H5Tcopy(H5T_STD_I32LE);
        case H5_I64: return H5Tcopy(H5T_STD_I64LE);
        case H5_U64: return H5Tcopy(H5T_STD_U64LE);
        case H5_F16: return half_type();
        case H5_F32: return H5Tcopy(H5T_IEEE_F32LE);
        case H5_F64: return H5Tcopy(H5T_IEEE_F64LE);
        case H5_TEXT: break;
    }
    hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, (size_t)(cols > 0 ? cols : 1));
    H5Tset_strpad(text, H5T_STR_NULLPAD);
    H5Tset_cset(text, H5T_CSET_UTF8);
    return text;
}

int64_t h5_type_size(enum h5type type) {
    static const int64_t SIZES[] = {1, 2, 4, 8, 8, 2, 4, 8, 1};
    return SIZES[type];
}

int64_t h5_row_bytes(enum h5type type, int64_t cols, int64_t inner) {
    return h5_type_size(type) * cols * (inner > 0 ? inner : 1);
}
