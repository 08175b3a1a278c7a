// What the time loops share. `real` is float or double, PHI an activation and SLOPE its slope.

typedef long long whole;

// An array over time steps, (S, steps, B, H), of gates (S, G, steps, B, H), from some step on: where
// its first value lies, and the distances from one cell, step, gate and sample to the next.
struct Steps {
    real *data;
    whole cell, step, gate, sample;
};

struct Sizes {
    whole cells, batch, units, steps;
};

// What a thread works on: one unit of one sample.
struct Place {
    whole cell, sample, unit;

    // The unit's values over time.
    __device__ real *operator()(Steps array) const {
        return array.data + cell * array.cell + sample * array.sample + unit;
    }
};

// The place of a thread where each goes its own way. There may be more threads than places.
__device__ inline bool lone(Sizes sizes, Place &place) {
    whole i = whole(blockIdx.x) * blockDim.x + threadIdx.x;
    whole samples = i / sizes.units;
    place = {samples / sizes.batch, samples % sizes.batch, i % sizes.units};
    return place.cell < sizes.cells;
}

#ifndef ROOM
// Memory that the threads of a block share, as much as the launch asks for.
#define ROOM extern __shared__ __align__(16) unsigned char room[];
#endif
