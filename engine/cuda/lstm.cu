// LSTM over all time steps; gates i, f, g, o.

// a_t += h_{t-1} U by gate, c_t = f c_{t-1} + i g, h_t = o tanh(c_t); h and c start one step before
// the others. u is (S, 4, H, H).
extern "C" __global__ void __launch_bounds__(1024) lstm_forward(
    const real *__restrict__ u, Steps a, Steps gates, Steps h, Steps c, Steps tanh_c, Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + units;
    Place place(sizes);
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
            real gate[4];
#pragma unroll
            for (int g = 0; g < 4; ++g) {
                sum[g] += gather(shares, g, 4, units);
                gate[g] = g == 2 ? phi_tanh(sum[g]) : phi_sigmoid(sum[g]);
                a_t[t * a.step + g * a.gate] = sum[g];
                gates_t[t * gates.step + g * gates.gate] = gate[g];
            }
            kept = gate[1] * kept + gate[0] * gate[2];
            real squashed = tanh(kept), after = gate[3] * squashed;
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
    Place place(sizes);
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
