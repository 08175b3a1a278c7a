// GRU over all time steps; gates r, z, n.

// a_t += h_{t-1} U for r and z; recalled = h_{t-1} U_n + bias, a_n += r recalled; h_t = (1 - z) n +
// z h_{t-1}. h starts one step before the others. u is (S, 3, H, H), bias (S, H) or null.
extern "C" __global__ void __launch_bounds__(1024) gru_forward(
    const real *__restrict__ u, const real *bias, Steps a, Steps gates, Steps recalled, Steps h,
    Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + units;
    Place place(sizes);
    bool leads = threadIdx.y == 0;
    whole matrix = whole(units) * units;
    u += place.cell * 3 * matrix;
    real second = bias ? bias[place.cell * units + place.unit] : real(0);
    real *a_t = place(a), *gates_t = place(gates);
    real *recalled_t = place(recalled), *h_t = place(h);
    real before = leads ? *h_t : real(0);
    if (leads) vector[threadIdx.x] = before;
    __syncthreads();
    for (whole t = 0; t < sizes.steps; ++t) {
        real sum[3];
#pragma unroll
        for (int g = 0; g < 3; ++g) sum[g] = leads ? a_t[t * a.step + g * a.gate] : real(0);
        multiply<3>(u, matrix, vector, units, units, shares);
        __syncthreads();
        if (leads) {
            real r = phi_sigmoid(sum[0] += gather(shares, 0, 3, units));
            real z = phi_sigmoid(sum[1] += gather(shares, 1, 3, units));
            real recall = gather(shares, 2, 3, units) + second;
            real n = phi_tanh(sum[2] += r * recall);
            real gate[3] = {r, z, n};
#pragma unroll
            for (int g = 0; g < 3; ++g) {
                a_t[t * a.step + g * a.gate] = sum[g];
                gates_t[t * gates.step + g * gates.gate] = gate[g];
            }
            recalled_t[t * recalled.step] = recall;
            before = n + z * (before - n);
            h_t[(t + 1) * h.step] = before;
            vector[threadIdx.x] = before;
        }
        __syncthreads();
    }
}

// From the last step down: dL/da = its slope times dL/dh_t, grad_recalled = to_recalled dL/dh_t;
// dL/dh_{t-1} = kept + what comes through U + its external part, kept = z dL/dh_t. transposed is
// U^T, (S, 3 H, H), whose part n meets grad_recalled; grad_h starts one step before the others.
extern "C" __global__ void __launch_bounds__(1024) gru_backward(
    const real *__restrict__ transposed, Steps slope, Steps to_recalled, Steps update,
    Steps grad_a, Steps grad_recalled, Steps kept, Steps grad_h, Steps external, Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + 3 * units;
    Place place(sizes);
    bool leads = threadIdx.y == 0;
    transposed += place.cell * 3 * units * units;
    const real *slope_t = place(slope);
    const real *to_recalled_t = place(to_recalled);
    const real *update_t = place(update);
    const real *part_t = place(external);
    real *grad_a_t = place(grad_a), *kept_t = place(kept);
    real *grad_recalled_t = place(grad_recalled);
    real *grad_h_t = place(grad_h);
    real grad = leads ? grad_h_t[sizes.steps * grad_h.step] : real(0);
    for (whole t = sizes.steps - 1; t >= 0; --t) {
        real rest = 0;
        if (leads) {
            real through_n = grad * to_recalled_t[t * to_recalled.step];
            grad_recalled_t[t * grad_recalled.step] = through_n;
#pragma unroll
            for (int g = 0; g < 3; ++g) {
                real local = grad * slope_t[t * slope.step + g * slope.gate];
                grad_a_t[t * grad_a.step + g * grad_a.gate] = local;
                vector[g * units + threadIdx.x] = g == 2 ? through_n : local;
            }
            rest = grad * update_t[t * update.step];
            kept_t[t * kept.step] = rest;
            if (external.data && t > 0) rest += part_t[(t - 1) * external.step];
        }
        __syncthreads();
        multiply<1>(transposed, 0, vector, 3 * units, units, shares);
        __syncthreads();
        if (leads) {
            grad = gather(shares, 0, 1, units) + rest;
            grad_h_t[t * grad_h.step] = grad;
        }
    }
}
