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

// What one unit's step left behind; `before` is c_{t-1}.
struct LstmStep {
    real sum[4], gate[4], before, c, tanh_c;
};

__device__ inline LstmStep lstm_step(
    whole t, Place place, Steps a, Steps gates, Steps c, Steps tanh_c) {
    const real *a_t = place(a) + t * a.step, *gates_t = place(gates) + t * gates.step;
    const real *c_t = place(c) + t * c.step;
    LstmStep step;
#pragma unroll
    for (int g = 0; g < 4; ++g) {
        step.sum[g] = a_t[g * a.gate];
        step.gate[g] = gates_t[g * gates.gate];
    }
    step.before = *c_t;
    step.c = c_t[c.step];
    step.tanh_c = place(tanh_c)[t * tanh_c.step];
    return step;
}

// One unit's step back from dL/dh_t, and from dL/dc_t as far as it came through f_{t+1}: dL/da by
// gate; returns the total dL/dc_t.
__device__ inline real lstm_unit_back(
    const LstmStep &step, real grad, real carried, real grad_a[4]) {
    real i = step.gate[0], f = step.gate[1], g = step.gate[2], o = step.gate[3];
    real total = grad * (slope_tanh(step.c, step.tanh_c) * o) + carried;
    grad_a[0] = total * (slope_sigmoid(step.sum[0], i) * g);
    grad_a[1] = total * (slope_sigmoid(step.sum[1], f) * step.before);
    grad_a[2] = total * (slope_tanh(step.sum[2], g) * i);
    grad_a[3] = grad * (slope_sigmoid(step.sum[3], o) * step.tanh_c);
    return total;
}

// From the last step down: dL/da and dL/dc as above, what f_t keeps of dL/dc_t, and dL/dh_{t-1} =
// dL/da_t U^T + its external part. transposed is U^T, (S, 4 H, H); c, grad_h and kept start one
// step before the others.
extern "C" __global__ void __launch_bounds__(1024) lstm_backward(
    const real *__restrict__ transposed, Steps a, Steps gates, Steps c, Steps tanh_c, Steps grad_a,
    Steps grad_c, Steps grad_h, Steps kept, Steps external, Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + 4 * units;
    Place place = together(sizes);
    bool leads = threadIdx.y == 0;
    transposed += place.cell * 4 * units * units;
    const real *part_t = place(external);
    real *grad_a_t = place(grad_a), *grad_c_t = place(grad_c);
    real *grad_h_t = place(grad_h), *kept_t = place(kept);
    real grad = leads ? grad_h_t[sizes.steps * grad_h.step] : real(0);
    real carried = leads ? kept_t[sizes.steps * kept.step] : real(0);
    LstmStep step;
    if (leads) step = lstm_step(sizes.steps - 1, place, a, gates, c, tanh_c);
    for (whole t = sizes.steps - 1; t >= 0; --t) {
        real part = 0;
        if (leads) {
            real local[4], total = lstm_unit_back(step, grad, carried, local);
            grad_c_t[t * grad_c.step] = total;
#pragma unroll
            for (int g = 0; g < 4; ++g) {
                grad_a_t[t * grad_a.step + g * grad_a.gate] = local[g];
                vector[g * units + threadIdx.x] = local[g];
            }
            carried = total * step.gate[1];
            kept_t[t * kept.step] = carried;
            if (t > 0) {
                // Asked for before the product, it is there after it.
                step = lstm_step(t - 1, place, a, gates, c, tanh_c);
                if (external.data) part = part_t[(t - 1) * external.step];
            }
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
    real *rows, const real *through_u, Steps a, Steps gates, Steps c, Steps tanh_c, Steps grad_a,
    Steps grad_c, Steps grad_h, Steps kept, Steps external, whole t, Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    real grad = total_at(t + 1, place, grad_h, external, through_u, 0, sizes);
    if (t < 0) return;
    rows += in_rows(place, sizes, 4);
    LstmStep step = lstm_step(t, place, a, gates, c, tanh_c);
    real *grad_a_t = place(grad_a) + t * grad_a.step, *kept_t = place(kept) + t * kept.step;
    real local[4], total = lstm_unit_back(step, grad, kept_t[kept.step], local);
#pragma unroll
    for (int g = 0; g < 4; ++g) grad_a_t[g * grad_a.gate] = rows[g * sizes.units] = local[g];
    place(grad_c)[t * grad_c.step] = total;
    *kept_t = total * step.gate[1];
}
