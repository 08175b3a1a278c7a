// Winograd's F(4x4, 3x3) as in engine/convolution/winograd.py, whose matrices are written out here:
// its points come in pairs +-p, whose even and odd parts are shared. A thread takes one tile and one
// channel at a time. Transformed, a tile is 36 values, one in each of 36 matrices.

#define LOW real(0.70710678118654752440)
#define HIGH real(1.41421356237309504880)

// One side of each transform: from values `step` apart to values `to` apart.

// B^T, of 6 inputs.
__device__ inline void patch_side(const real *d, int step, real *v, int to) {
    real low = d[4 * step] - real(2) * d[2 * step], high = d[4 * step] - real(0.5) * d[2 * step];
    real low_odd = LOW * (d[3 * step] - real(2) * d[step]);
    real high_odd = HIGH * (d[3 * step] - real(0.5) * d[step]);
    v[0] = d[0] - real(2.5) * d[2 * step] + d[4 * step];
    v[to] = low + low_odd;
    v[2 * to] = low - low_odd;
    v[3 * to] = high + high_odd;
    v[4 * to] = high - high_odd;
    v[5 * to] = d[step] - real(2.5) * d[3 * step] + d[5 * step];
}

// G, of 3 values of a kernel.
__device__ inline void kernel_side(const real *w, int step, real *u, int to) {
    real low = real(-2.0 / 3) * (w[0] + real(0.5) * w[2 * step]);
    real high = real(1.0 / 6) * (w[0] + real(2) * w[2 * step]);
    real low_odd = real(-2.0 / 3) * LOW * w[step], high_odd = real(1.0 / 6) * HIGH * w[step];
    u[0] = w[0];
    u[to] = low + low_odd;
    u[2 * to] = low - low_odd;
    u[3 * to] = high + high_odd;
    u[4 * to] = high - high_odd;
    u[5 * to] = w[2 * step];
}

// G^T, back to 3.
__device__ inline void kernel_side_back(const real *u, int step, real *w, int to) {
    real low = real(-2.0 / 3) * (u[step] + u[2 * step]);
    real high = real(1.0 / 6) * (u[3 * step] + u[4 * step]);
    real low_odd = real(-2.0 / 3) * LOW * (u[step] - u[2 * step]);
    real high_odd = real(1.0 / 6) * HIGH * (u[3 * step] - u[4 * step]);
    w[0] = u[0] + low + high;
    w[to] = low_odd + high_odd;
    w[2 * to] = real(0.5) * low + real(2) * high + u[5 * step];
}

// A^T, of a product's 6 values to 4 outputs.
__device__ inline void output_side(const real *m, int step, real *y, int to) {
    real low = m[step] + m[2 * step], high = m[3 * step] + m[4 * step];
    real low_odd = LOW * (m[step] - m[2 * step]), high_odd = HIGH * (m[3 * step] - m[4 * step]);
    y[0] = m[0] + low + high;
    y[to] = low_odd + high_odd;
    y[2 * to] = real(0.5) * low + real(2) * high;
    y[3 * to] = real(0.5) * low_odd + real(2) * high_odd + m[5 * step];
}

// A, of 4 outputs' gradient back to 6.
__device__ inline void output_side_back(const real *y, int step, real *m, int to) {
    real low = y[0] + real(0.5) * y[2 * step], high = y[0] + real(2) * y[2 * step];
    real low_odd = LOW * (y[step] + real(0.5) * y[3 * step]);
    real high_odd = HIGH * (y[step] + real(2) * y[3 * step]);
    m[0] = y[0];
    m[to] = low + low_odd;
    m[2 * to] = low - low_odd;
    m[3 * to] = high + high_odd;
    m[4 * to] = high - high_odd;
    m[5 * to] = y[3 * step];
}

// A transform of both sides of a square.
template <void SIDE(const real *, int, real *, int), int FROM, int TO>
__device__ inline void transform(const real (&from)[FROM][FROM], real (&to)[TO][TO]) {
    real half[TO][FROM];
#pragma unroll
    for (int j = 0; j < FROM; ++j) SIDE(&from[0][j], FROM, &half[0][j], FROM);
#pragma unroll
    for (int i = 0; i < TO; ++i) SIDE(half[i], 1, to[i], 1);
}

// A square's values, one in each of as many matrices of `matrix` values.
#define EACH(i, j, N) \
    _Pragma("unroll") for (int i = 0; i < N; ++i) _Pragma("unroll") for (int j = 0; j < N; ++j)

template <int N>
__device__ inline void gather(const real *from, whole matrix, real (&square)[N][N]) {
    EACH(i, j, N) square[i][j] = from[(i * N + j) * matrix];
}
template <int N>
__device__ inline void scatter(const real (&square)[N][N], real *to, whole matrix) {
    EACH(i, j, N) to[(i * N + j) * matrix] = square[i][j];
}

// Where a tile lies: in which image, and its first output; and among transformed ones, (S, 36, tiles
// of a cell, channels), or turned, the last two axes exchanged.
struct Tile {
    whole cell, sample, place, matrix;
    int top, left;

    __device__ Tile(whole tile, Window window) {
        whole across = (window.width + 3) / 4, each = (window.height + 3) / 4 * across;
        whole tiles = window.batch * each;
        cell = tile / tiles;
        place = tile % tiles;
        sample = place / each;
        top = int(place % each / across) * 4;
        left = int(place % across) * 4;
        matrix = tiles * window.channels;
    }
    __device__ whole at(Window window, int channel, bool turned) const {
        whole lies = turned ? channel * (matrix / window.channels) + place
                            : place * window.channels + channel;
        return cell * 36 * matrix + lies;
    }
};

// Images' tiles, of N values a side, with both sides transformed.
template <void SIDE(const real *, int, real *, int), int N>
__device__ inline void transform_tiles(
    Images images, real *__restrict__ tiles, Window window, bool turned) {
    Share share(turned);
    Tile tile(share.item, window);
    if (tile.cell >= window.cells) return;
    const real *image = images(tile.cell, tile.sample);
    int top = tile.top - int(window.before), left = tile.left - int(window.before);
    for (int c = share.channel; c < window.channels; c += share.step) {
        real values[N][N], result[6][6];
        EACH(i, j, N) {
            const real *seen = window.find(image, images, top + i, left + j);
            values[i][j] = seen ? seen[c * images.channel] : real(0);
        }
        transform<SIDE>(values, result);
        scatter(result, tiles + tile.at(window, c, turned), tile.matrix);
    }
}

// B^T d B.
extern "C" __global__ void __launch_bounds__(256) winograd_patches(
    Images images, real *__restrict__ tiles, Window window, whole turned) {
    transform_tiles<patch_side, 6>(images, tiles, window, turned);
}

// A g A^T of a gradient, which is zero beyond the border.
extern "C" __global__ void __launch_bounds__(256) winograd_gradients(
    Images images, real *__restrict__ tiles, Window window) {
    transform_tiles<output_side_back, 4>(images, tiles, window, false);
}

// A^T m A of products, to their place in images.
extern "C" __global__ void __launch_bounds__(256) winograd_outputs(
    const real *__restrict__ products, Images images, Window window) {
    Share share(false);
    Tile tile(share.item, window);
    if (tile.cell >= window.cells) return;
    real *corner = images(tile.cell, tile.sample) + tile.top * images.row;
    corner += tile.left * images.column;
    for (int c = share.channel; c < window.channels; c += share.step) {
        real product[6][6], outputs[4][4];
        gather(products + tile.at(window, c, false), tile.matrix, product);
        transform<output_side>(product, outputs);
        EACH(i, j, 4) {
            if (tile.top + i < window.height && tile.left + j < window.width)
                corner[i * images.row + j * images.column + c * images.channel] = outputs[i][j];
        }
    }
}

// Kernels (S, 3, 3, inputs, outputs).
struct Kernels {
    whole cells, inputs, outputs;
};

// G w G^T, (S, 36, inputs, outputs); `mirrored`, of the kernel that takes gradients back: reversed
// along both sides, (S, 36, outputs, inputs).
extern "C" __global__ void winograd_kernel(
    const real *__restrict__ kernel, real *__restrict__ transformed, Kernels kernels,
    whole mirrored) {
    whole index = whole(blockIdx.x) * blockDim.x + threadIdx.x;
    whole matrix = kernels.inputs * kernels.outputs, cell = index / matrix, place = index % matrix;
    if (cell >= kernels.cells) return;
    const real *own = kernel + cell * 9 * matrix;
    if (mirrored) {
        whole input = place % kernels.inputs, output = place / kernels.inputs;
        own += 8 * matrix + input * kernels.outputs + output;
    } else {
        own += place;
    }
    real values[3][3], result[6][6];
    gather(own, mirrored ? -matrix : matrix, values);
    transform<kernel_side>(values, result);
    scatter(result, transformed + cell * 36 * matrix + place, matrix);
}

// G^T u G, to the gradient of the kernel or, where it is not `fresh`, added to it.
extern "C" __global__ void winograd_kernel_gradient(
    const real *__restrict__ transformed, real *__restrict__ gradient, Kernels kernels,
    whole fresh) {
    whole index = whole(blockIdx.x) * blockDim.x + threadIdx.x;
    whole matrix = kernels.inputs * kernels.outputs, cell = index / matrix, place = index % matrix;
    if (cell >= kernels.cells) return;
    real values[6][6], result[3][3];
    gather(transformed + cell * 36 * matrix + place, matrix, values);
    transform<kernel_side_back>(values, result);
    real *own = gradient + cell * 9 * matrix + place;
    EACH(i, j, 3) {
        real &there = own[(i * 3 + j) * matrix];
        there = fresh ? result[i][j] : there + result[i][j];
    }
}
