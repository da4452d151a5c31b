// The models' forward pass, as in flow_map.py and agents/gaussian.py: the same weights give the same samples.
// One of the files that are joined into one ES module, in the order of SCRIPTS in __init__.py.
// Batches are rows in one Float64Array: x[row * width + column]. Times are numbers, one for the whole batch.

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

export function decode(base64) {
  return Float64Array.from(new Float32Array(bytesOf(base64).buffer)); // doubles are what a browser computes fastest with
}

// The same of float16 (IEEE 754 binary16), of which not every browser has an array.
function decodeHalf(base64) {
  return Float64Array.from(new Uint16Array(bytesOf(base64).buffer), (bits) => {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction;
    return bits >> 15 ? -size : size;
  });
}

export function loadModel(spec) {
  if (spec.kind === "mixture") return spec;
  const read = spec.half ? decodeHalf : decode;
  const layers = spec.layers.map((l) => ({ ...l, weight: read(l.weight), bias: read(l.bias) }));
  return { ...spec, layers, obsMean: decode(spec.obs_mean), obsStd: decode(spec.obs_std) };
}

const ACTIVATIONS = {
  relu(x) {
    for (let i = 0; i < x.length; i++) if (x[i] < 0) x[i] = 0;
  },
  silu(x) {
    for (let i = 0; i < x.length; i++) x[i] /= 1 + Math.exp(-x[i]);
  },
  mish(x) { // x tanh(softplus(x)), with tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2)
    for (let i = 0; i < x.length; i++) {
      if (x[i] > 20) continue; // there mish(x) = x, and e^2 would overflow
      const e = Math.exp(x[i]), w = e * (e + 2);
      x[i] *= w / (w + 2);
    }
  },
};

// y = x W' + bias for `rows` rows. W is (nOut, nIn) as PyTorch has it; 4 x 2 products at a time keep loads few.
function linear(x, rows, nIn, { weight: w, n_in: stride }, bias, nOut) {
  const y = new Float64Array(rows * nOut);
  if (rows === 1) return linearOfOne(x, nIn, w, stride, bias, y);
  for (let r = 0; r < rows; r += 4) {
    const r1 = Math.min(r + 1, rows - 1), r2 = Math.min(r + 2, rows - 1), r3 = Math.min(r + 3, rows - 1);
    const a = r * nIn, b = r1 * nIn, c = r2 * nIn, d = r3 * nIn;
    for (let o = 0; o < nOut; o += 2) {
      const p = Math.min(o + 1, nOut - 1), u = o * stride, v = p * stride;
      let a0 = 0, a1 = 0, b0 = 0, b1 = 0, c0 = 0, c1 = 0, d0 = 0, d1 = 0;
      for (let i = 0; i < nIn; i++) {
        const w0 = w[u + i], w1 = w[v + i], xa = x[a + i], xb = x[b + i], xc = x[c + i], xd = x[d + i];
        a0 += xa * w0; a1 += xa * w1; b0 += xb * w0; b1 += xb * w1;
        c0 += xc * w0; c1 += xc * w1; d0 += xd * w0; d1 += xd * w1;
      }
      y[r * nOut + o] = a0 + bias[o]; y[r * nOut + p] = a1 + bias[p];
      y[r1 * nOut + o] = b0 + bias[o]; y[r1 * nOut + p] = b1 + bias[p];
      y[r2 * nOut + o] = c0 + bias[o]; y[r2 * nOut + p] = c1 + bias[p];
      y[r3 * nOut + o] = d0 + bias[o]; y[r3 * nOut + p] = d1 + bias[p];
    }
  }
  return y;
}

// The same for one row, into y: four outputs at a time.
function linearOfOne(x, nIn, w, stride, bias, y) {
  const last = y.length - 1;
  for (let o = 0; o <= last; o += 4) {
    const o1 = Math.min(o + 1, last), o2 = Math.min(o + 2, last), o3 = Math.min(o + 3, last);
    const a = o * stride, b = o1 * stride, c = o2 * stride, d = o3 * stride;
    let y0 = 0, y1 = 0, y2 = 0, y3 = 0;
    for (let i = 0; i < nIn; i++) {
      const v = x[i];
      y0 += v * w[a + i]; y1 += v * w[b + i]; y2 += v * w[c + i]; y3 += v * w[d + i];
    }
    y[o] = y0 + bias[o]; y[o1] = y1 + bias[o1]; y[o2] = y2 + bias[o2]; y[o3] = y3 + bias[o3];
  }
  return y;
}

// The MLP on rows of width nIn. `shared` lists inputs that are equal in all rows, as [column, value]: they become bias.
function mlp(model, x, rows, nIn, shared = []) {
  model.layers.forEach((layer, index) => {
    const bias = Float64Array.from(layer.bias);
    if (index === 0) {
      for (let o = 0; o < layer.n_out; o++) {
        for (const [column, value] of shared) bias[o] += layer.weight[o * layer.n_in + column] * value;
      }
    }
    x = linear(x, rows, index === 0 ? nIn : layer.n_in, layer, bias, layer.n_out);
    if (index < model.layers.length - 1) ACTIVATIONS[model.activation](x);
  });
  return x;
}

function timeFeatures(model, t) {
  const angles = model.frequencies.map((f) => model.log_time_scale * Math.log(t + model.sigma_min) * f);
  return [...angles.map(Math.sin), ...angles.map(Math.cos)];
}

// What a network sees of one row of observations, as networks.Observer.see has it, written into `seen` from `at` on.
function see(model, obs, row, seen, at) {
  const O = model.obsMean.length, waves = model.wave_numbers, n = model.position_dims * waves.length;
  for (let j = 0; j < O; j++) seen[at + j] = (obs[row * O + j] - model.obsMean[j]) / model.obsStd[j];
  for (let i = 0; i < n; i++) {
    const angle = obs[row * O + Math.floor(i / waves.length)] * waves[i % waves.length];
    seen[at + O + i] = Math.sin(angle);
    seen[at + O + n + i] = Math.cos(angle);
  }
  return seen;
}

// phi(x, t, s), (rows, A); obs is (rows, O), or (O) for all rows.
export function phi(model, x, t, s, obs = null) {
  const A = model.action_dim, O = model.obs_dim, rows = x.length / A, sd = model.sigma_data;
  const total = Math.sqrt(t * t + sd * sd), perRow = obs !== null && obs.length === rows * O && rows > 1;
  const times = [...timeFeatures(model, t), ...timeFeatures(model, s)];
  const shared = times.map((value, i) => [A + i, value]);
  let inputs = x.map((v) => v / total), nIn = A;
  if (O > 0) {
    const first = A + times.length;
    if (perRow) { // the network's columns are x, times, obs: the times' columns stay 0 here and go into the bias
      nIn = model.layers[0].n_in;
      const wide = new Float64Array(rows * nIn);
      for (let r = 0; r < rows; r++) {
        for (let j = 0; j < A; j++) wide[r * nIn + j] = inputs[r * A + j];
        see(model, obs, r, wide, r * nIn + first);
      }
      inputs = wide;
    } else {
      see(model, obs, 0, [], 0).forEach((value, j) => shared.push([first + j, value]));
    }
  }
  const out = mlp(model, inputs, rows, nIn, shared);
  const skip = (sd / total) ** 2, scale = (t * sd) / total;
  return out.map((v, i) => skip * x[i] + scale * v);
}

// Phi(x, t, s) = (s / t) x + (1 - s / t) phi(x, t, s)
export function flowMap(model, x, t, s, obs = null) {
  if (model.kind === "mixture") return mixtureFlowMap(model, x, t, s);
  const ratio = s / t;
  return phi(model, x, t, s, obs).map((v, i) => ratio * x[i] + (1 - ratio) * v);
}

export function gaussian(model, obs, rows) {
  const A = model.action_dim, O = model.obsMean.length, nIn = model.layers[0].n_in;
  const given = obs === null ? new Float64Array(O) : obs, inputs = new Float64Array(rows * nIn);
  for (let r = 0; r < rows; r++) see(model, given, given.length > O ? r : 0, inputs, r * nIn);
  const out = mlp(model, inputs, rows, nIn), mean = new Float64Array(rows * A), std = new Float64Array(rows * A);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < A; j++) {
      mean[r * A + j] = out[r * 2 * A + j];
      const logStd = Math.min(Math.max(out[r * 2 * A + A + j], model.log_std_min), model.log_std_max);
      std[r * A + j] = Math.exp(logStd);
    }
  }
  return { mean, std };
}

// The K + 1 noise levels of a K-step sample: the model's own, or those of times.sampling_times.
export function samplingTimes({ sigma_min, sigma_max, rho, times: own }, steps) {
  if (own) return own[steps - 1];
  const low = sigma_min ** (1 / rho), high = sigma_max ** (1 / rho);
  const times = Array.from({ length: steps + 1 }, (_, i) => (low + ((steps - i) / steps) * (high - low)) ** rho);
  times[steps] = 0;
  return times;
}

// One step of the model's own sampler (gtp_mini.samplers) from t to s, the `round`-th of a sample that began with `noise`.
// `first` is the index of x[0] among all samples, where x is a part of them.
export function advance(model, x, t, s, obs, noise, round, first = 0) {
  if (model.sampler === "euler") {
    const ratio = s / t;
    return phi(model, x, t, t, obs).map((v, i) => ratio * x[i] + (1 - ratio) * v);
  }
  if (model.sampler === "consistency") {
    const clean = phi(model, x, t, 0, obs);
    return s === 0 ? clean : clean.map((v, i) => v + s * fresh(noise, first + i, round, model.action_dim));
  }
  return flowMap(model, x, t, s, obs);
}

// Noise for the `round`-th round: another row's. The kernel takes the same (weights.py).
const fresh = (noise, i, round, A) => noise[(i + 7 * (round + 1) * A) % noise.length];

// A sample jump by jump: yields the states at all sampling times, noise first; returns the last. `noise` is standard
// normal, (rows, A), or the first rows of `all`.
export function* jumps(model, noise, steps, obs = null, all = noise) {
  const times = samplingTimes(model, steps);
  let x = noise.map((v) => v * model.sigma_max);
  yield x;
  for (let i = 0; i < steps; i++) yield x = advance(model, x, times[i], times[i + 1], obs, all, i);
  return x;
}

// (rows, A) samples of any kind of model, likewise; a Gaussian draws at once, whatever the steps.
export function* sampling(model, noise, steps, obs = null) {
  if (model.kind !== "gaussian") return yield* jumps(model, noise, steps, obs);
  const { mean, std } = gaussian(model, obs, noise.length / model.action_dim);
  const drawn = mean.map((m, i) => m + std[i] * noise[i]);
  yield drawn;
  return drawn;
}

// The same in one go.
export const samplePath = (...given) => [...jumps(...given)];
export const sample = (...given) => [...sampling(...given)].at(-1);
