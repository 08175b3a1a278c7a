// Recurrences with a matrix: samples are independent, so one block takes one sample of one cell
// through all time steps, and h never leaves it. A block has `units` threads side by side, one for
// each unit, and blockDim.y of such rows that share out the products' terms; the first row leads.

// What follows the product where the library multiplies, one step at a time: rows, (S, B, G H).
__device__ inline whole in_rows(Place place, Sizes sizes, int G) {
    return (place.cell * sizes.batch + place.sample) * G * sizes.units + place.unit;
}

// The total dL/dh at a step of grad_h: at the top it is there, below it is what came through U in
// the launch before, the rest, and the external part; it is written down there.
__device__ inline real total_at(
    whole step, Place place, Steps grad_h, Steps external, const real *through_u, real rest,
    Sizes sizes) {
    real *total = place(grad_h) + step * grad_h.step;
    if (step == sizes.steps) return *total;
    if (external.data && step > 0) rest += place(external)[(step - 1) * external.step];
    return *total = through_u[in_rows(place, sizes, 1)] + rest;
}

// The place of a thread whose block takes one sample.
__device__ inline Place together(Sizes sizes) {
    return {blockIdx.x / sizes.batch, blockIdx.x % sizes.batch, threadIdx.x};
}

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
