// GRU over all time steps; gates r, z, n.

// One unit's step from its pre-activations, n's without what h brings, and h_{t-1} U by gate: the
// sums, the gates and what is recalled; h_{t-1} becomes h_t.
__device__ inline void gru_unit(
    real sum[3], const real product[3], real bias, real gate[3], real &recalled, real &h) {
    gate[0] = phi_sigmoid(sum[0] += product[0]);
    gate[1] = phi_sigmoid(sum[1] += product[1]);
    recalled = product[2] + bias;
    gate[2] = phi_tanh(sum[2] += gate[0] * recalled);
    h = gate[2] + gate[1] * (h - gate[2]);
}

// a_t += h_{t-1} U for r and z; recalled = h_{t-1} U_n + bias, a_n += r recalled; h_t = (1 - z) n +
// z h_{t-1}. h starts one step before the others. u is (S, 3, H, H), bias (S, H) or null.
extern "C" __global__ void __launch_bounds__(1024) gru_forward(
    const real *__restrict__ u, const real *bias, Steps a, Steps gates, Steps recalled, Steps h,
    Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + units;
    Place place = together(sizes);
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
            real product[3], gate[3], recall;
#pragma unroll
            for (int g = 0; g < 3; ++g) product[g] = gather(shares, g, 3, units);
            gru_unit(sum, product, second, gate, recall, before);
#pragma unroll
            for (int g = 0; g < 3; ++g) {
                a_t[t * a.step + g * a.gate] = sum[g];
                gates_t[t * gates.step + g * gates.gate] = gate[g];
            }
            recalled_t[t * recalled.step] = recall;
            h_t[(t + 1) * h.step] = before;
            vector[threadIdx.x] = before;
        }
        __syncthreads();
    }
}

// What one unit's step left behind; `before` is h_{t-1}.
struct GruStep {
    real sum[3], gate[3], recalled, before;
};

__device__ inline GruStep gru_step(
    whole t, Place place, Steps a, Steps gates, Steps recalled, Steps h) {
    const real *a_t = place(a) + t * a.step, *gates_t = place(gates) + t * gates.step;
    GruStep step;
#pragma unroll
    for (int g = 0; g < 3; ++g) {
        step.sum[g] = a_t[g * a.gate];
        step.gate[g] = gates_t[g * gates.gate];
    }
    step.recalled = place(recalled)[t * recalled.step];
    step.before = place(h)[t * h.step];
    return step;
}

// One unit's step back from dL/dh_t: dL/da by gate; returns the gradient of what is recalled.
__device__ inline real gru_unit_back(const GruStep &step, real grad, real grad_a[3]) {
    real r = step.gate[0], z = step.gate[1], n = step.gate[2];
    real to_n = slope_tanh(step.sum[2], n) * (real(1) - z);
    grad_a[0] = grad * (slope_sigmoid(step.sum[0], r) * (step.recalled * to_n));
    grad_a[1] = grad * (slope_sigmoid(step.sum[1], z) * (step.before - n));
    grad_a[2] = grad * to_n;
    return grad * (r * to_n);
}

// From the last step down: gradients as above; dL/dh_{t-1} = kept + what comes through U + its
// external part, kept = z dL/dh_t. transposed is U^T, (S, 3 H, H), whose part n meets
// grad_recalled; h and grad_h start one step before the others.
extern "C" __global__ void __launch_bounds__(1024) gru_backward(
    const real *__restrict__ transposed, Steps a, Steps gates, Steps recalled, Steps h,
    Steps grad_a, Steps grad_recalled, Steps kept, Steps grad_h, Steps external, Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + 3 * units;
    Place place = together(sizes);
    bool leads = threadIdx.y == 0;
    transposed += place.cell * 3 * units * units;
    const real *part_t = place(external);
    real *grad_a_t = place(grad_a), *kept_t = place(kept);
    real *grad_recalled_t = place(grad_recalled);
    real *grad_h_t = place(grad_h);
    real grad = leads ? grad_h_t[sizes.steps * grad_h.step] : real(0);
    GruStep step;
    if (leads) step = gru_step(sizes.steps - 1, place, a, gates, recalled, h);
    for (whole t = sizes.steps - 1; t >= 0; --t) {
        real rest = 0, part = 0;
        if (leads) {
            real local[3], through_n = gru_unit_back(step, grad, local);
            grad_recalled_t[t * grad_recalled.step] = through_n;
#pragma unroll
            for (int g = 0; g < 3; ++g) {
                grad_a_t[t * grad_a.step + g * grad_a.gate] = local[g];
                vector[g * units + threadIdx.x] = g == 2 ? through_n : local[g];
            }
            rest = grad * step.gate[1];
            kept_t[t * kept.step] = rest;
            if (t > 0) {
                // Asked for before the product, it is there after it.
                step = gru_step(t - 1, place, a, gates, recalled, h);
                if (external.data) part = part_t[(t - 1) * external.step];
            }
        }
        __syncthreads();
        multiply<1>(transposed, 0, vector, 3 * units, units, shares);
        __syncthreads();
        if (leads) {
            grad = gather(shares, 0, 1, units) + (rest + part);
            grad_h_t[t * grad_h.step] = grad;
        }
    }
}

// Both step by step: rows is h_{t-1} U, or is given dL/da_t, n's through what was recalled, which
// the library then multiplies.
extern "C" __global__ void gru_forward_step(
    const real *rows, const real *bias, Steps a, Steps gates, Steps recalled, Steps h, whole t,
    Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    rows += in_rows(place, sizes, 3);
    real second = bias ? bias[place.cell * sizes.units + place.unit] : real(0);
    real *a_t = place(a) + t * a.step, *gates_t = place(gates) + t * gates.step;
    real *h_t = place(h) + t * h.step;
    real sum[3], product[3], gate[3], after = *h_t;
#pragma unroll
    for (int g = 0; g < 3; ++g) {
        sum[g] = a_t[g * a.gate];
        product[g] = rows[g * sizes.units];
    }
    gru_unit(sum, product, second, gate, place(recalled)[t * recalled.step], after);
#pragma unroll
    for (int g = 0; g < 3; ++g) {
        a_t[g * a.gate] = sum[g];
        gates_t[g * gates.gate] = gate[g];
    }
    h_t[h.step] = after;
}

extern "C" __global__ void gru_backward_step(
    real *rows, const real *through_u, Steps a, Steps gates, Steps recalled, Steps h, Steps grad_a,
    Steps grad_recalled, Steps kept, Steps grad_h, Steps external, whole t, Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    real *kept_t = place(kept) + t * kept.step;
    real rest = t + 1 < sizes.steps ? kept_t[kept.step] : real(0);
    real grad = total_at(t + 1, place, grad_h, external, through_u, rest, sizes);
    if (t < 0) return;
    rows += in_rows(place, sizes, 3);
    GruStep step = gru_step(t, place, a, gates, recalled, h);
    real *grad_a_t = place(grad_a) + t * grad_a.step;
    real local[3], through_n = gru_unit_back(step, grad, local);
#pragma unroll
    for (int g = 0; g < 3; ++g) {
        grad_a_t[g * grad_a.gate] = local[g];
        rows[g * sizes.units] = g == 2 ? through_n : local[g];
    }
    place(grad_recalled)[t * grad_recalled.step] = through_n;
    *kept_t = grad * step.gate[1];
}
