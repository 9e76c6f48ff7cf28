/* The activations and their backward, value by value, once for both backends. Who includes this file brings real_exp, real_tanh
 * and real_erf_root2 (erf(x / sqrt 2)): the CPU those of cpu/vector_math.h, which compilers turn into vector code, CUDA its
 * library's. With a constant f, the switches fold away. */
#ifndef MEDTOK_KERNELS_ACTIVATION_MATH_H
#define MEDTOK_KERNELS_ACTIVATION_MATH_H

#ifdef __CUDACC__
#define ACTIVATION_INLINE static __device__ __forceinline__
#else
#define ACTIVATION_INLINE static inline __attribute__((always_inline))
#endif

/* The slope of graph attention's LeakyReLU (Velickovic et al., 2018) below 0. */
#define LEAKY_SLOPE ((real)0.2)

ACTIVATION_INLINE real leaky_relu(real x) { return x > 0 ? x : LEAKY_SLOPE * x; }

ACTIVATION_INLINE real logistic(real x) { return 1 / (1 + real_exp(-x)); }

/* GELU's approximation is x/2 (1 + tanh u) = x logistic(2 u), with u = sqrt(2/pi) (x + 0.044715 x^3): this is 2 u. */
ACTIVATION_INLINE real gelu_tanh_logit(real x) { return (real)1.5957691216057308 * (x + (real)0.044715 * x * x * x); }

/* f(x). A NaN stays. */
ACTIVATION_INLINE real activation_value(enum activation f, real x) {
    switch (f) {
        case ACTIVATION_RELU: return x < 0 ? 0 : x;
        case ACTIVATION_LEAKY_RELU: return leaky_relu(x);
        case ACTIVATION_GELU: return (real)0.5 * x + (real)0.5 * x * real_erf_root2(x);
        case ACTIVATION_GELU_TANH: return x / (1 + real_exp(-gelu_tanh_logit(x)));
        case ACTIVATION_SILU: return x / (1 + real_exp(-x));
        case ACTIVATION_TANH: return real_tanh(x);
        case ACTIVATION_SIGMOID: return logistic(x);
        default: return x;
    }
}

/* f'(x) dy from v, which is f(x) where activation_from_output(f) says so, else x. */
ACTIVATION_INLINE real activation_gradient(enum activation f, real v, real dy) {
    switch (f) {
        case ACTIVATION_RELU: return v > 0 ? dy : 0;
        case ACTIVATION_LEAKY_RELU: return v > 0 ? dy : LEAKY_SLOPE * dy;
        case ACTIVATION_GELU: { /* Phi(x) + x phi(x) */
            real density = (real)0.39894228040143268 * real_exp((real)-0.5 * v * v);
            return dy * ((real)0.5 + (real)0.5 * real_erf_root2(v) + v * density);
        }
        case ACTIVATION_GELU_TANH: {
            real share = logistic(gelu_tanh_logit(v));
            real slope = (real)1.5957691216057308 * (1 + (real)0.134145 * v * v); /* of the logit */
            return dy * (share + v * share * (1 - share) * slope);
        }
        case ACTIVATION_SILU: {
            real share = logistic(v);
            return dy * (share + v * share * (1 - share));
        }
        case ACTIVATION_TANH: return dy * (1 - v * v);
        case ACTIVATION_SIGMOID: return dy * v * (1 - v);
        default: return dy;
    }
}

/* EACH(f) for each of them, f a constant. */
#define FOR_EACH_ACTIVATION(EACH)                                                                                      \
    EACH(ACTIVATION_NONE)                                                                                              \
    EACH(ACTIVATION_RELU)                                                                                              \
    EACH(ACTIVATION_GELU)                                                                                              \
    EACH(ACTIVATION_GELU_TANH)                                                                                         \
    EACH(ACTIVATION_SILU)                                                                                              \
    EACH(ACTIVATION_TANH)                                                                                              \
    EACH(ACTIVATION_SIGMOID)                                                                                           \
    EACH(ACTIVATION_LEAKY_RELU)

#endif
