"""Random numbers as src/base/rng.h numbers them."""


def uniform(seed, stream, step, index):
    """Philox4x32-10 of Salmon et al. (2011) with the counter of src/base/rng.h, as a double in [0, 1)."""
    c, key = [0, stream ^ (index >> 32 << 12), step, index & 0xFFFFFFFF], [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ key[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ key[1], p0 & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return ((c[0] << 32 | c[1]) >> 11) * 2.0**-53
