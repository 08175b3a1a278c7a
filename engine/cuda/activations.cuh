// Activations phi(a) and their slopes phi'(a), given a and h = phi(a): the device's twins of
// engine/activations.py, in the same forms, whose relative error stays at rounding for every a.
// All of them hand nan on.

#define EACH template <class T> __device__ inline T

EACH phi_sigmoid(T a) { return T(1) / (T(1) + exp(-a)); }
EACH slope_sigmoid(T a, T h) {
    // With z = exp(-|a|) and m = 1 / (1 + z): phi' = z m^2, no cancellation.
    T z = exp(-fabs(a)), m = T(1) / (T(1) + z);
    return z * m * m;
}

EACH phi_tanh(T a) { return tanh(a); }
EACH slope_tanh(T a, T h) {
    // With z = exp(-2|a|): sech^2(a) = z (1 + |h|)^2, no cancellation.
    T m = T(1) + fabs(h);
    return exp(T(-2) * fabs(a)) * m * m;
}

EACH phi_relu(T a) { return a < T(0) ? T(0) : a; }
EACH slope_relu(T a, T h) { return a > T(0) ? T(1) : T(0); }

EACH phi_leaky_relu(T a) { return a < T(0) ? T(0.01) * a : a; }
EACH slope_leaky_relu(T a, T h) { return a > T(0) ? T(1) : T(0.01); }

EACH phi_elu(T a) { return a < T(0) ? expm1(a) : a; }
EACH slope_elu(T a, T h) { return a > T(0) ? T(1) : exp(a); }

#define SELU_SCALE T(1.0507009873554805)
#define SELU_ALPHA T(1.6732632423543772)
EACH phi_selu(T a) { return SELU_SCALE * (a < T(0) ? SELU_ALPHA * expm1(a) : a); }
EACH slope_selu(T a, T h) { return SELU_SCALE * (a > T(0) ? T(1) : SELU_ALPHA * exp(a)); }

EACH normal_cdf(T a) { return T(0.5) * erfc(a * T(-0.70710678118654752)); }
EACH phi_gelu(T a) { return a * normal_cdf(a); }
EACH slope_gelu(T a, T h) {
    return normal_cdf(a) + a * T(0.39894228040143268) * exp(T(-0.5) * a * a);
}

EACH phi_silu(T a) { return a * phi_sigmoid(a); }
EACH slope_silu(T a, T h) { return phi_sigmoid(a) * (T(1) + a - h); }

EACH phi_softplus(T a) { return (a < T(0) ? T(0) : a) + log1p(exp(-fabs(a))); }
EACH slope_softplus(T a, T h) { return phi_sigmoid(a); }

EACH phi_linear(T a) { return a; }
EACH slope_linear(T a, T h) { return T(1); }

#undef EACH
#undef SELU_SCALE
#undef SELU_ALPHA
