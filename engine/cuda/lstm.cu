// LSTM over all time steps; gates i, f, g, o.

// One unit's step from its summed pre-activations: the gates, c and tanh(c); returns h.
__device__ inline real lstm_unit(const real sum[4], real gate[4], real &c, real &tanh_c) {
#pragma unroll
    for (int g = 0; g < 4; ++g) gate[g] = g == 2 ? phi_tanh(sum[g]) : phi_sigmoid(sum[g]);
    c = gate[1] * c + gate[0] * gate[2];
    tanh_c = tanh(c);
    return gate[3] * tanh_c;
}

// a_t += h_{t-1} U by gate, c_t = f c_{t-1} + i g, h_t = o tanh(c_t); h and c start one step before
// the others. u is (S, 4, H, H).
extern "C" __global__ void __launch_bounds__(1024) lstm_forward(
    const real *__restrict__ u, Steps a, Steps gates, Steps h, Steps c, Steps tanh_c, Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + units;
    Place place = together(sizes);
    bool leads = threadIdx.y == 0;
    whole matrix = whole(units) * units;
    u += place.cell * 4 * matrix;
    real *a_t = place(a), *gates_t = place(gates);
    real *h_t = place(h), *c_t = place(c);
    real *tanh_c_t = place(tanh_c);
    if (leads) vector[threadIdx.x] = *h_t;
    real kept = leads ? *c_t : real(0);
    __syncthreads();
    for (whole t = 0; t < sizes.steps; ++t) {
        real sum[4];
#pragma unroll
        for (int g = 0; g < 4; ++g) sum[g] = leads ? a_t[t * a.step + g * a.gate] : real(0);
        multiply<4>(u, matrix, vector, units, units, shares);
        __syncthreads();
        if (leads) {
            real gate[4], squashed;
#pragma unroll
            for (int g = 0; g < 4; ++g) sum[g] += gather(shares, g, 4, units);
            real after = lstm_unit(sum, gate, kept, squashed);
#pragma unroll
            for (int g = 0; g < 4; ++g) {
                a_t[t * a.step + g * a.gate] = sum[g];
                gates_t[t * gates.step + g * gates.gate] = gate[g];
            }
            c_t[(t + 1) * c.step] = kept;
            tanh_c_t[t * tanh_c.step] = squashed;
            h_t[(t + 1) * h.step] = after;
            vector[threadIdx.x] = after;
        }
        __syncthreads();
    }
}

// From the last step down: dL/dc_t = slope_c dL/dh_t + what f_{t+1} kept of dL/dc_{t+1}; dL/da of
// i, f, g is its slope times dL/dc_t, that of o its slope times dL/dh_t; dL/dh_{t-1} = dL/da_t U^T
// + its external part. transposed is U^T, (S, 4 H, H); grad_h and kept start one step before the
// others.
extern "C" __global__ void __launch_bounds__(1024) lstm_backward(
    const real *__restrict__ transposed, Steps slope, Steps slope_c, Steps forget, Steps grad_a,
    Steps grad_c, Steps grad_h, Steps kept, Steps external, Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + 4 * units;
    Place place = together(sizes);
    bool leads = threadIdx.y == 0;
    transposed += place.cell * 4 * units * units;
    const real *slope_t = place(slope);
    const real *slope_c_t = place(slope_c);
    const real *forget_t = place(forget);
    const real *part_t = place(external);
    real *grad_a_t = place(grad_a), *grad_c_t = place(grad_c);
    real *grad_h_t = place(grad_h), *kept_t = place(kept);
    real grad = leads ? grad_h_t[sizes.steps * grad_h.step] : real(0);
    real carried = leads ? kept_t[sizes.steps * kept.step] : real(0);
    for (whole t = sizes.steps - 1; t >= 0; --t) {
        real part = 0;
        if (leads) {
            real total = grad * slope_c_t[t * slope_c.step] + carried;
            grad_c_t[t * grad_c.step] = total;
#pragma unroll
            for (int g = 0; g < 4; ++g) {
                real local = (g == 3 ? grad : total) * slope_t[t * slope.step + g * slope.gate];
                grad_a_t[t * grad_a.step + g * grad_a.gate] = local;
                vector[g * units + threadIdx.x] = local;
            }
            carried = total * forget_t[t * forget.step];
            kept_t[t * kept.step] = carried;
            if (external.data && t > 0) part = part_t[(t - 1) * external.step];
        }
        __syncthreads();
        multiply<1>(transposed, 0, vector, 4 * units, units, shares);
        __syncthreads();
        if (leads) {
            grad = gather(shares, 0, 1, units) + part;
            grad_h_t[t * grad_h.step] = grad;
        }
    }
}

// Both step by step: rows is h_{t-1} U, or is given dL/da_t, which the library then multiplies.
extern "C" __global__ void lstm_forward_step(
    const real *rows, Steps a, Steps gates, Steps h, Steps c, Steps tanh_c, whole t, Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    rows += in_rows(place, sizes, 4);
    real *a_t = place(a) + t * a.step, *gates_t = place(gates) + t * gates.step;
    real *c_t = place(c) + t * c.step;
    real sum[4], gate[4], kept = *c_t, squashed;
#pragma unroll
    for (int g = 0; g < 4; ++g) sum[g] = a_t[g * a.gate] += rows[g * sizes.units];
    place(h)[(t + 1) * h.step] = lstm_unit(sum, gate, kept, squashed);
#pragma unroll
    for (int g = 0; g < 4; ++g) gates_t[g * gates.gate] = gate[g];
    c_t[c.step] = kept;
    place(tanh_c)[t * tanh_c.step] = squashed;
}

extern "C" __global__ void lstm_backward_step(
    real *rows, const real *through_u, Steps slope, Steps slope_c, Steps forget, Steps grad_a,
    Steps grad_c, Steps grad_h, Steps kept, Steps external, whole t, Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    real grad = total_at(t + 1, place, grad_h, external, through_u, 0, sizes);
    if (t < 0) return;
    rows += in_rows(place, sizes, 4);
    const real *slope_t = place(slope) + t * slope.step;
    real *grad_a_t = place(grad_a) + t * grad_a.step, *kept_t = place(kept) + t * kept.step;
    real total = grad * place(slope_c)[t * slope_c.step] + kept_t[kept.step];
#pragma unroll
    for (int g = 0; g < 4; ++g) {
        real local = (g == 3 ? grad : total) * slope_t[g * slope.gate];
        grad_a_t[g * grad_a.gate] = rows[g * sizes.units] = local;
    }
    place(grad_c)[t * grad_c.step] = total;
    *kept_t = total * place(forget)[t * forget.step];
}
