// Recurrences with a matrix: samples are independent, so one block takes one sample of one cell
// through all time steps, and h never leaves it. A block has `units` threads side by side, one for
// each unit, and blockDim.y of such rows that share out the products' terms; the first row leads.

// The block's cell and sample, and the thread's unit.
struct Place {
    whole cell, sample;
    int unit;

    __device__ Place(Sizes sizes)
        : cell(blockIdx.x / sizes.batch), sample(blockIdx.x % sizes.batch), unit(threadIdx.x) {}
    __device__ real *operator()(Steps array) const { return array.of(cell, sample, unit); }
};

// Each row of threads' share of sum_k vector[k] w[k][unit], for G matrices `gate` apart.
template <int G>
__device__ inline void multiply(
    const real *__restrict__ w, whole gate, const real *vector, int terms, int units,
    real *shares) {
    real sum[G] = {};
#pragma unroll 8
    for (int k = threadIdx.y; k < terms; k += blockDim.y) {
        const real *row = w + whole(k) * units + threadIdx.x;
        real value = vector[k];
#pragma unroll
        for (int g = 0; g < G; ++g) sum[g] += value * row[g * gate];
    }
    for (int g = 0; g < G; ++g) shares[(threadIdx.y * G + g) * units + threadIdx.x] = sum[g];
}

// The sum of all rows' shares for matrix g of G.
__device__ inline real gather(const real *shares, int g, int G, int units) {
    real sum = 0;
    for (int row = 0; row < blockDim.y; ++row) sum += shares[(row * G + g) * units + threadIdx.x];
    return sum;
}
