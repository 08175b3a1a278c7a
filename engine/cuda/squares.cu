// Sums of squares over rows of values that lie side by side, in float64 and always in one order.
// `number` is float, double or bool.

typedef long long whole;

// Rows (first, second, third, values), `values` of them in each: where the first row begins, and the
// bytes from one to the next along each axis.
struct Rows {
    const char *data;
    whole second, third, values;
    whole first_step, second_step, third_step;
};

#ifndef ROOM
#define ROOM extern __shared__ __align__(16) unsigned char room[];
#endif

// A square whose sum says what was lost.
__device__ inline double sound_square(number x) {
    const double value = x, square = value * value;
    // An infinite value makes nan: inf says that finite ones left float64 upwards.
    if (isinf(value)) return square - square;
    // 0 says that all values are 0, not that they left it downwards.
    return square == 0.0 && value != 0.0 ? 5e-324 : square;
}

// Each row is shared out among `parts` blocks of threads, the last of which puts their sums together.
extern "C" __global__ void squares(
    Rows rows, double *out, whole parts, double *shares, unsigned *arrived) {
    ROOM
    double *sums = reinterpret_cast<double *>(room);
    const whole row = blockIdx.x / parts, part = blockIdx.x % parts;
    const whole third = row % rows.third, second = row / rows.third % rows.second;
    const whole first = row / rows.third / rows.second;
    const number *values = reinterpret_cast<const number *>(
        rows.data + first * rows.first_step + second * rows.second_step + third * rows.third_step);
    double sum = 0.0;
    for (whole i = part * blockDim.x + threadIdx.x; i < rows.values; i += parts * blockDim.x)
        sum += sound_square(values[i]);
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x) return;
    if (parts == 1) {
        out[row] = sums[0];
        return;
    }
    volatile double *shared = shares + row * parts;
    shared[part] = sums[0];
    __threadfence();
    // Counts to `parts` and begins at 0 again.
    if (atomicInc(arrived + row, parts - 1) < parts - 1) return;
    __threadfence();
    double total = 0.0;
    for (whole i = 0; i < parts; ++i) total += shared[i];
    out[row] = total;
}
