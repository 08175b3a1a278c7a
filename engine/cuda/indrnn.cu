// IndRNN over all time steps at once: every unit of every sample goes its own way, so one thread
// takes it through time. Threads of neighbouring units read neighbouring values.

// Steps read ahead: what they bring is awaited once and not once a step.
#define AHEAD 16

#define FOR_AHEAD(k, count) \
    _Pragma("unroll") for (int k = 0; k < AHEAD; ++k) if (k < count)

// a_t += u h_{t-1} + b, h_t = phi(a_t); h starts one step before a. bias is (S, H) or null.
extern "C" __global__ void indrnn_forward(
    const real *__restrict__ u, const real *__restrict__ bias, Steps a, Steps h, Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    real *a_t = place(a), *h_t = place(h);
    whole own = place.cell * sizes.units + place.unit;
    real weight = u[own], shift = bias ? bias[own] : real(0), before = *h_t;
    for (whole left = sizes.steps; left > 0; left -= AHEAD) {
        real sum[AHEAD];
        FOR_AHEAD(k, left) sum[k] = a_t[k * a.step];
        FOR_AHEAD(k, left) {
            sum[k] = sum[k] + shift + weight * before;
            a_t[k * a.step] = sum[k];
            before = PHI(sum[k]);
            h_t[(k + 1) * h.step] = before;
        }
        a_t += AHEAD * a.step;
        h_t += AHEAD * h.step;
    }
}

// From the last step down: dL/da_t = phi'(a_t) dL/dh_t, dL/dh_{t-1} = u dL/da_t + its external
// part. grad_h starts one step before the others, external, which may have no data, with them.
extern "C" __global__ void indrnn_backward(
    const real *__restrict__ u, Steps a, Steps h, Steps grad_a, Steps grad_h, Steps external,
    Sizes sizes) {
    Place place;
    if (!lone(sizes, place)) return;
    whole last = sizes.steps - 1;
    const real *a_t = place(a) + last * a.step, *h_t = place(h) + last * h.step;
    real *grad_a_t = place(grad_a) + last * grad_a.step;
    real *before_t = place(grad_h) + last * grad_h.step;
    // The part that joins below step t is that of t - 1; below the first there is none.
    const real *part_t = place(external) + (last - 1) * external.step;
    real weight = u[place.cell * sizes.units + place.unit], grad = before_t[grad_h.step];
    for (whole left = sizes.steps; left > 0; left -= AHEAD) {
        real sum[AHEAD], after[AHEAD], part[AHEAD];
        FOR_AHEAD(k, left) {
            sum[k] = a_t[-k * a.step];
            after[k] = h_t[-k * h.step];
            part[k] = external.data && k < left - 1 ? part_t[-k * external.step] : real(0);
        }
        FOR_AHEAD(k, left) {
            real local = grad * SLOPE(sum[k], after[k]);
            grad_a_t[-k * grad_a.step] = local;
            grad = local * weight + part[k];
            before_t[-k * grad_h.step] = grad;
        }
        a_t -= AHEAD * a.step;
        h_t -= AHEAD * h.step;
        grad_a_t -= AHEAD * grad_a.step;
        before_t -= AHEAD * grad_h.step;
        part_t -= AHEAD * external.step;
    }
}
