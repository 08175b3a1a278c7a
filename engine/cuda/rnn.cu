// The vanilla recurrence over all time steps.

// a_t += h_{t-1} U, h_t = phi(a_t); h starts one step before a. u is (S, H, H).
extern "C" __global__ void __launch_bounds__(1024) rnn_forward(
    const real *__restrict__ u, Steps a, Steps h, Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + units;
    Place place = together(sizes);
    bool leads = threadIdx.y == 0;
    u += place.cell * units * units;
    real *a_t = place(a), *h_t = place(h);
    if (leads) vector[threadIdx.x] = *h_t;
    __syncthreads();
    for (whole t = 0; t < sizes.steps; ++t) {
        real sum = leads ? a_t[t * a.step] : real(0);
        multiply<1>(u, 0, vector, units, units, shares);
        __syncthreads();
        if (leads) {
            sum += gather(shares, 0, 1, units);
            a_t[t * a.step] = sum;
            real after = PHI(sum);
            h_t[(t + 1) * h.step] = after;
            vector[threadIdx.x] = after;
        }
        __syncthreads();
    }
}

// From the last step down: dL/da_t = phi'(a_t) dL/dh_t, dL/dh_{t-1} = dL/da_t U^T + its external
// part. transposed is U^T, (S, H, H); grad_h starts one step before the others.
extern "C" __global__ void __launch_bounds__(1024) rnn_backward(
    const real *__restrict__ transposed, Steps a, Steps h, Steps grad_a, Steps grad_h,
    Steps external, Sizes sizes) {
    ROOM
    int units = sizes.units;
    real *vector = (real *)room, *shares = vector + units;
    Place place = together(sizes);
    bool leads = threadIdx.y == 0;
    transposed += place.cell * units * units;
    const real *a_t = place(a), *h_t = place(h), *part_t = place(external);
    real *grad_a_t = place(grad_a), *grad_h_t = place(grad_h);
    whole last = sizes.steps - 1;
    real grad = leads ? grad_h_t[sizes.steps * grad_h.step] : real(0);
    real sum = leads ? a_t[last * a.step] : real(0), after = leads ? h_t[last * h.step] : real(0);
    for (whole t = last; t >= 0; --t) {
        real part = 0;
        if (leads) {
            real local = grad * SLOPE(sum, after);
            grad_a_t[t * grad_a.step] = local;
            vector[threadIdx.x] = local;
            if (t > 0) {
                // Asked for before the product, it is there after it.
                sum = a_t[(t - 1) * a.step];
                after = h_t[(t - 1) * h.step];
                if (external.data) part = part_t[(t - 1) * external.step];
            }
        }
        __syncthreads();
        multiply<1>(transposed, 0, vector, units, units, shares);
        __syncthreads();
        if (leads) {
            grad = gather(shares, 0, 1, units) + part;
            grad_h_t[t * grad_h.step] = grad;
        }
    }
}

// Both step by step: rows is h_{t-1} U, or is given dL/da_t, which the library then multiplies.
extern "C" __global__ void rnn_forward_step(
    const real *rows, Steps a, Steps h, whole t, Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    real *a_t = place(a) + t * a.step;
    *a_t += rows[in_rows(place, sizes, 1)];
    place(h)[(t + 1) * h.step] = PHI(*a_t);
}

extern "C" __global__ void rnn_backward_step(
    real *rows, const real *through_u, Steps a, Steps h, Steps grad_a, Steps grad_h,
    Steps external, whole t, Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    real grad = total_at(t + 1, place, grad_h, external, through_u, 0, sizes);
    if (t < 0) return;
    real local = grad * SLOPE(place(a)[t * a.step], place(h)[t * h.step]);
    place(grad_a)[t * grad_a.step] = rows[in_rows(place, sizes, 1)] = local;
}
