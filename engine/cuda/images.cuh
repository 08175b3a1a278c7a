// What kernels over images share. `real` is float or double.

typedef long long whole;

// Images (S, B, height, width, channels) as they lie: where their first value is, and the distances
// along each axis.
struct Images {
    real *data;
    whole cell, sample, row, column, channel;

    __device__ real *operator()(whole in_cell, whole in_sample) const {
        return data + in_cell * cell + in_sample * sample;
    }
};

// Shapes of images, and of what is read around each position: `size` rows and columns, `before` of
// them above and left. Beyond the border lie zeros or, `circular`, the opposite border.
struct Window {
    whole cells, batch, height, width, channels, size, before, circular;

    // Position (y, x) of an image; null for a zero.
    __device__ const real *find(const real *image, Images images, int y, int x) const {
        int down = int(height), across = int(width);
        if (circular) {
            while (y < 0) y += down;
            while (y >= down) y -= down;
            while (x < 0) x += across;
            while (x >= across) x -= across;
        } else if (y < 0 || y >= down || x < 0 || x >= across) {
            return nullptr;
        }
        return image + y * images.row + x * images.column;
    }
};

// A thread's share of items, which are positions or tiles, and channels: one item, and every
// `step`-th channel. What is written is (items, channels), or `turned` (channels, items); threads
// side by side go along the last axis, so that they write side by side.
struct Share {
    whole item;
    int channel, step;

    __device__ explicit Share(bool turned) {
        item = whole(blockIdx.x) * (turned ? blockDim.x : blockDim.y);
        item += turned ? threadIdx.x : threadIdx.y;
        channel = turned ? threadIdx.y : threadIdx.x;
        step = turned ? blockDim.y : blockDim.x;
    }
};
