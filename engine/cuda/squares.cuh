// Squares to be summed in float64, so that the sum says what was lost.

template <class T> __device__ inline double sound_square(T x) {
    const double value = static_cast<double>(x), square = value * value;
    // An infinite value makes nan: inf says that finite ones left float64 upwards.
    if (isinf(value)) return square - square;
    // 0 says that all values are 0, not that they left it downwards.
    return square == 0.0 && value != 0.0 ? 5e-324 : square;
}
