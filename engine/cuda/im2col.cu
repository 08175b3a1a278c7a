// im2col: what each position of an image sees, read from where the images lie.

// Patches (S, B * height * width, size * size * channels), or turned: the last two axes exchanged.
extern "C" __global__ void im2col(
    Images images, real *__restrict__ patches, Window window, whole turned) {
    Share share(turned);
    whole area = window.height * window.width, positions = window.batch * area;
    whole cell = share.item / positions, position = share.item % positions;
    if (cell >= window.cells) return;
    const real *image = images(cell, position / area);
    int pixel = int(position % area), width = int(window.width), size = int(window.size);
    int top = pixel / width - int(window.before), left = pixel % width - int(window.before);
    whole terms = size * size * window.channels;
    real *patch = patches + cell * terms * positions + (turned ? position : position * terms);
    whole next = turned ? positions : 1;
    for (int i = 0; i < size; ++i) {
        for (int j = 0; j < size; ++j) {
            const real *seen = window.find(image, images, top + i, left + j);
            whole first = (i * size + j) * window.channels;
            for (int c = share.channel; c < window.channels; c += share.step)
                patch[(first + c) * next] = seen ? seen[c * images.channel] : real(0);
        }
    }
}
