// What the time loops share. `real` is float or double, PHI one of the activations.

typedef long long whole;

// An array over time steps, (S, steps, B, H), of gates (S, G, steps, B, H), from some step on: where
// its first value lies, and the distances from one cell, step, gate and sample to the next.
struct Steps {
    real *data;
    whole cell, step, gate, sample;

    // The first step of one unit.
    __device__ real *of(whole in_cell, whole in_sample, whole unit) const {
        return data + in_cell * cell + in_sample * sample + unit;
    }
};

struct Sizes {
    whole cells, batch, units, steps;
};

#ifndef ROOM
// Memory that the threads of a block share, as much as the launch asks for.
#define ROOM extern __shared__ __align__(16) unsigned char room[];
#endif
