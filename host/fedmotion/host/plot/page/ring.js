"use strict";
/* The last seconds of the stream, and as many points of it as the screen has columns: the same as
   sample_ring.py and decimation.py do for the window. */

class SampleRing {
  constructor(spanS) {
    this.spanS = spanS;
    this.start = 0;
    this.stop = 0;
    this.reserve(4096);
  }

  get newestS() {
    return this.stop > this.start ? this.t[this.stop - 1] : null;
  }

  reserve(capacity) {
    const before = this.t ? [this.t, ...this.axes] : [];
    const after = [new Float64Array(capacity), ...Array.from({length: 6}, () => new Float32Array(capacity))];
    before.forEach((array, index) => after[index].set(array.subarray(this.start, this.stop)));
    this.stop -= this.start;
    this.start = 0;
    [this.t, ...this.axes] = after;
  }

  /* A message of the server: n times as float64, then n values of each axis as float32, little endian. */
  append(message) {
    const n = message.byteLength / 32;
    if (this.stop + n > this.t.length) this.reserve(Math.max(this.t.length, 2 * (this.stop - this.start + n)));
    this.t.set(new Float64Array(message, 0, n), this.stop);
    for (let axis = 0; axis < 6; axis++) {
      this.axes[axis].set(new Float32Array(message, 8 * n + 4 * n * axis, n), this.stop);
    }
    this.stop += n;
    const oldestS = this.newestS - this.spanS;
    while (this.t[this.start] < oldestS) this.start++;
  }

  /* The first row that is not before `s`. */
  find(s) {
    let low = this.start, high = this.stop;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.t[middle] < s) low = middle + 1; else high = middle;
    }
    return low;
  }

  isGap(row) {
    return this.axes.every((values) => Number.isNaN(values[row]));
  }

  /* Returns [times, ax, ay, ...] from `leftS` to `rightS`, times relative to `zeroS`, at most two points a
     column of `columnS` seconds, null where samples are missing, and [from, to] of each gap. */
  points(leftS, rightS, zeroS, columnS) {
    const first = Math.max(this.start, this.find(leftS) - 1);
    const stop = Math.min(this.stop, this.find(rightS) + 1);
    const isWhole = (stop - first) * columnS <= 2 * (rightS - leftS);
    const data = Array.from({length: 7}, () => []);
    const gaps = [];
    for (let row = first; row < stop;) {
      let end = row + 1;
      if (this.isGap(row)) {
        while (end < stop && this.isGap(end)) end++;
        gaps.push([this.t[Math.max(first, row - 1)] - zeroS, this.t[Math.min(stop - 1, end)] - zeroS]);
        data[0].push(this.t[row] - zeroS);
        for (let axis = 0; axis < 6; axis++) data[axis + 1].push(null);
      } else {
        const column = Math.floor(this.t[row] / columnS);
        while (!isWhole && end < stop && Math.floor(this.t[end] / columnS) === column && !this.isGap(end)) end++;
        this.extremes(data, row, end, zeroS);
      }
      row = end;
    }
    return {data, gaps};
  }

  extremes(data, row, end, zeroS) {
    const isOne = end === row + 1;
    data[0].push(this.t[row] - zeroS);
    if (!isOne) data[0].push(this.t[end - 1] - zeroS);
    for (let axis = 0; axis < 6; axis++) {
      const values = this.axes[axis];
      let low = values[row], high = low;
      for (let each = row + 1; each < end; each++) {
        if (values[each] < low) low = values[each]; else if (values[each] > high) high = values[each];
      }
      const points = data[axis + 1];
      if (Number.isNaN(low)) points.push(null);
      else if (isOne) points.push(low);
      // Where the axis falls the highest comes first: a slope stays a line and is no saw.
      else if (values[end - 1] < values[row]) points.push(high, low);
      else points.push(low, high);
      if (Number.isNaN(low) && !isOne) points.push(null);
    }
  }
}
