#include "spread.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <unordered_map>

#include "calls.h"

namespace repsim {

namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

at::Tensor filled(at::IntArrayRef shape, double value) { return at::full(shape, value, at::kFloat); }

[[noreturn]] void refuse() { throw std::runtime_error("no rule for this call"); }

void check(bool holds) {
  if (!holds) refuse();
}

// A call as one of the four bounds sees it.
struct One {
  const Step& step;
  size_t bound;
  size_t place;

  // Undefined where nothing of the input is in it.
  at::Tensor of(const at::Tensor& tensor) const {
    const auto* found = tensor.defined() ? step.find(tensor) : nullptr;
    return found ? (*found)[bound] : at::Tensor();
  }

  const c10::IValue* argument(const char* name) const {
    const auto index = step.schema.argumentIndexWithName(name);
    return index ? &step.arguments[*index] : nullptr;
  }

  bool has(const char* name) const {
    const auto* value = argument(name);
    return value && value->isTensor() && of(value->toTensor()).defined();
  }

  // The first tensor, which operators work on.
  at::Tensor first() const {
    check(!step.arguments.empty() && step.arguments[0].isTensor());
    return of(step.arguments[0].toTensor());
  }

  at::Tensor tensor(const char* name) const {
    const auto* value = argument(name);
    return value && value->isTensor() ? of(value->toTensor()) : at::Tensor();
  }

  int64_t number(const char* name, int64_t otherwise) const {
    const auto* value = argument(name);
    return value && value->isInt() ? value->toInt() : otherwise;
  }

  bool flag(const char* name) const {
    const auto* value = argument(name);
    return value && value->isBool() && value->toBool();
  }

  std::vector<int64_t> numbers(const char* name) const {
    const auto* value = argument(name);
    if (value && value->isInt()) return {value->toInt()};
    return value && value->isIntList() ? value->toIntVector() : std::vector<int64_t>();
  }

  // One number an axis of positions.
  std::vector<int64_t> each(const char* name, int64_t count, int64_t otherwise) const {
    auto found = numbers(name);
    if (found.empty()) found = {otherwise};
    if (found.size() == 1) found.resize(count, found[0]);
    check(static_cast<int64_t>(found.size()) == count);
    return found;
  }
};

at::Tensor larger(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined()) return b;
  return b.defined() ? at::maximum(a, b) : a;
}

at::Tensor along(const at::Tensor& own, at::IntArrayRef axes, const at::Tensor& output) {
  return own.defined() ? own.amax(axes, /*keepdim=*/true).expand(output.sizes()) : own;
}

// The windows of so many elements, `apart` from each other, that begin `lead` before the first.
struct Windows {
  int64_t size, stride, apart, lead;
};

at::Tensor windowed(const at::Tensor& own, int64_t axis, const Windows& windows, int64_t count) {
  const int64_t last = (count - 1) * windows.stride;
  const int64_t reach = last + windows.apart * (windows.size - 1) + 1;
  const int64_t behind = std::max<int64_t>(0, reach - own.size(axis) - windows.lead);
  auto shape = own.sizes().vec();
  shape[axis] = windows.lead;
  std::vector<at::Tensor> parts;
  if (windows.lead > 0) parts.push_back(filled(shape, kNothing));
  parts.push_back(own);
  shape[axis] = behind;
  if (behind > 0) parts.push_back(filled(shape, kNothing));
  const auto padded = parts.size() > 1 ? at::cat(parts, axis) : own;
  at::Tensor found;
  for (int64_t i = 0; i < windows.size; i++) {
    const int64_t start = i * windows.apart;
    found = larger(found, padded.slice(axis, start, start + last + 1, windows.stride));
  }
  return found;
}

// What a transposed convolution lays each element over.
at::Tensor laid(const at::Tensor& own, int64_t axis, const Windows& windows, int64_t count) {
  const int64_t last = (own.size(axis) - 1) * windows.stride;
  const int64_t whole = last + windows.apart * (windows.size - 1) + 1;
  auto shape = own.sizes().vec();
  shape[axis] = std::max(whole, windows.lead + count);
  auto sheet = filled(shape, kNothing);
  for (int64_t i = 0; i < windows.size; i++) {
    const int64_t start = i * windows.apart;
    auto part = sheet.slice(axis, start, start + last + 1, windows.stride);
    part.copy_(at::maximum(part, own));
  }
  return sheet.slice(axis, windows.lead, windows.lead + count);
}

// Padding in front, by numbers or by the word `same`.
std::vector<int64_t> leads(const One& one, const std::vector<int64_t>& kernel,
                           const std::vector<int64_t>& apart) {
  const auto* padding = one.argument("padding");
  if (!padding || !padding->isString()) return one.each("padding", kernel.size(), 0);
  std::vector<int64_t> found(kernel.size(), 0);
  if (padding->toStringRef() == "valid") return found;
  for (size_t i = 0; i < kernel.size(); i++) found[i] = apart[i] * (kernel[i] - 1) / 2;
  return found;
}

at::Tensor convolution(const One& one, const at::Tensor& output) {
  const auto input = one.first();
  if (!input.defined()) return input;
  const auto* given = one.argument("weight");
  check(given && given->isTensor());
  const auto& weight = given->toTensor();
  check(!one.has("weight") && !one.has("bias") && input.dim() == weight.dim());
  const int64_t positions = input.dim() - 2, groups = one.number("groups", 1);
  const bool transposed = one.flag("transposed") || one.step.name.rfind("conv_transpose", 0) == 0;
  const auto kernel = weight.sizes().slice(2).vec();
  const auto stride = one.each("stride", positions, 1), apart = one.each("dilation", positions, 1);
  const auto lead = leads(one, kernel, apart);
  auto own = input.unflatten(1, {groups, -1}).amax(2);
  for (int64_t i = 0; i < positions; i++) {
    const Windows windows{kernel[i], stride[i], apart[i], lead[i]};
    own = (transposed ? laid : windowed)(own, i + 2, windows, output.size(i + 2));
  }
  return own.repeat_interleave(output.size(1) / groups, 1);
}

at::Tensor pooling(const One& one, const at::Tensor& output) {
  auto own = one.first();
  if (!own.defined()) return own;
  const auto digit = one.step.name.find("pool") + 4;
  check(digit < one.step.name.size());
  const int64_t positions = one.step.name[digit] - '0', front = own.dim() - positions;
  check(positions >= 1 && positions <= 3 && front >= 0);
  const auto kernel = one.each("kernel_size", positions, 1), lead = one.each("padding", positions, 0);
  const auto stride = one.numbers("stride").empty() ? kernel : one.each("stride", positions, 1);
  const auto apart = one.each("dilation", positions, 1);
  for (int64_t i = 0; i < positions; i++)
    own = windowed(own, front + i, {kernel[i], stride[i], apart[i], lead[i]}, output.size(front + i));
  return own;
}

at::Tensor adaptive_pooling(const One& one, const at::Tensor& output) {
  auto own = one.first();
  if (!own.defined()) return own;
  check(own.dim() == output.dim());
  for (int64_t axis = 0; axis < own.dim(); axis++) {
    const int64_t from = own.size(axis), to = output.size(axis);
    if (from == to) continue;
    std::vector<at::Tensor> parts;
    for (int64_t i = 0; i < to; i++) {
      const int64_t start = i * from / to, end = ((i + 1) * from + to - 1) / to;
      parts.push_back(own.slice(axis, start, end).amax(axis, /*keepdim=*/true));
    }
    own = at::cat(parts, axis);
  }
  return own;
}

// Linear interpolation along the last axes.
at::Tensor interpolated(const One& one, const at::Tensor& output) {
  auto own = one.first();
  if (!own.defined()) return own;
  const bool aligned = one.flag("align_corners");
  const auto* factors = one.argument("scale_factors");
  const char* names[] = {"scales_d", "scales_h", "scales_w"};
  for (int64_t axis = 2; axis < own.dim(); axis++) {
    const int64_t from = own.size(axis), to = output.size(axis);
    float scale = static_cast<float>(from) / to;
    if (factors && factors->isDoubleList()) scale = 1.0 / factors->toDoubleVector().at(axis - 2);
    const auto* own_scale = one.argument(own.dim() == 3 ? "scales" : names[3 - own.dim() + axis]);
    if (own_scale && own_scale->isDouble()) scale = 1.0 / own_scale->toDouble();
    if (aligned) scale = to > 1 ? static_cast<float>(from - 1) / (to - 1) : 0.0f;
    std::vector<int64_t> low, high;
    for (int64_t i = 0; i < to; i++) {
      const float at = aligned ? i * scale : std::max(0.0f, (i + 0.5f) * scale - 0.5f);
      const int64_t floor = std::min<int64_t>(at, from - 1);
      low.push_back(floor);
      high.push_back(at > floor ? std::min(floor + 1, from - 1) : floor);
    }
    own = at::maximum(own.index_select(axis, at::tensor(low)), own.index_select(axis, at::tensor(high)));
  }
  return own;
}

// Each value from those at its place.
at::Tensor elements(const One& one, const at::Tensor& output) {
  at::Tensor all;
  for (const auto& value : one.step.arguments)
    for (const auto& tensor : tensors_of(value))
      if (const auto own = one.of(tensor); own.defined()) all = larger(all, own.expand(output.sizes()));
  return all;
}

// The first at its place; of the others the shape or the type alone counts.
at::Tensor first_only(const One& one, const at::Tensor& output) {
  const auto own = one.first();
  return own.defined() ? own.expand(output.sizes()) : own;
}

at::Tensor batch_norm(const One& one, const at::Tensor& output) {
  const bool by_batch = one.flag("training") || one.step.name == "_native_batch_norm_legit";
  check(!by_batch);
  return one.place == 0 ? one.first() : at::Tensor();
}

at::Tensor instance_norm(const One& one, const at::Tensor& output) {
  const auto own = one.first();
  if (!own.defined() || !one.flag("use_input_stats")) return own;
  std::vector<int64_t> axes;
  for (int64_t axis = 2; axis < own.dim(); axis++) axes.push_back(axis);
  return along(own, axes, output);
}

at::Tensor group_norm(const One& one, const at::Tensor& output) {
  const auto own = one.first();
  if (!own.defined() || one.place > 0) return at::Tensor();
  const int64_t groups = one.number("num_groups", one.number("group", 0));
  const auto flat = own.reshape({own.size(0), groups, -1});
  return flat.amax(2, true).expand(flat.sizes()).reshape(output.sizes());
}

at::Tensor layer_norm(const One& one, const at::Tensor& output) {
  if (one.place > 0) return {};
  std::vector<int64_t> axes;
  for (size_t i = 1; i <= one.numbers("normalized_shape").size(); i++) axes.push_back(-static_cast<int64_t>(i));
  return along(one.first(), axes, output);
}

at::Tensor softmax(const One& one, const at::Tensor& output) {
  return along(one.first(), one.numbers("dim"), output);
}

// Means, sums, maxima over axes.
at::Tensor reduced(const One& one, const at::Tensor& output) {
  if (one.argument("other")) return elements(one, output);
  const auto own = one.first();
  if (!own.defined()) return own;
  const auto axes = one.numbers("dim");
  if (axes.empty()) return own.amax().expand(output.sizes());
  return own.amax(axes, /*keepdim=*/own.dim() == output.dim());
}

at::Tensor linear(const One& one, const at::Tensor& output) {
  check(!one.has("weight") && !one.has("bias"));
  return along(one.first(), {-1}, output);
}

// A product of matrices; of `addmm` and `baddbmm` what is added comes first.
at::Tensor product(const One& one, const at::Tensor& output) {
  const size_t offset = one.step.name.find("add") != std::string::npos ? 1 : 0;
  const auto& a = one.step.arguments.at(offset).toTensor();
  const auto& b = one.step.arguments.at(offset + 1).toTensor();
  check(a.dim() >= 2 && b.dim() >= 2);
  at::Tensor all = larger(along(one.of(a), {-1}, output), along(one.of(b), {-2}, output));
  if (offset == 0) return all;
  const auto added = one.first();
  return larger(all, added.defined() ? added.expand(output.sizes()) : added);
}

at::Tensor attention(const One& one, const at::Tensor& output) {
  check(!one.flag("is_causal") && one.place == 0);
  const auto mask = one.tensor("attn_mask");
  check(!mask.defined());
  const auto keys = larger(along(one.tensor("key"), {-1, -2}, output), along(one.tensor("value"), {-2}, output));
  return larger(along(one.tensor("query"), {-1}, output), keys);
}

// All tokens of a sample together: N×T×D.
at::Tensor all_tokens(const One& one, const at::Tensor& output) {
  check(one.place == 0 && output.dim() == 3);
  return along(one.first(), {1, 2}, output);
}

at::Tensor halves(const One& one, const at::Tensor&) {
  const auto own = one.first();
  if (!own.defined()) return own;
  const auto parts = own.chunk(2, one.number("dim", -1));
  return at::maximum(parts.at(0), parts.at(1));
}

// The same values in the same order.
at::Tensor reshaped(const One& one, const at::Tensor& output) {
  const auto own = one.first();
  return own.defined() ? own.reshape(output.sizes()) : own;
}

// Values that change places: as the operator itself moves them.
at::Tensor moved(const One& one, const at::Tensor&) {
  bool any = false;
  std::vector<c10::IValue> stack;
  for (const auto& value : one.step.arguments) {
    stack.push_back(value);
    if (value.isTensor()) {
      const auto own = one.of(value.toTensor());
      any |= own.defined();
      if (own.defined()) stack.back() = own;
      else if (stack.size() == 1) stack.back() = filled(value.toTensor().sizes(), kNothing);
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> list;
      for (const auto& tensor : value.toTensorVector()) {
        const auto own = one.of(tensor);
        any |= own.defined();
        list.push_back(own.defined() ? own : filled(tensor.sizes(), kNothing));
      }
      stack.back() = list;
    } else if (value.isList()) {
      for (const c10::IValue& element : value.toListRef())
        check(!element.isTensor() || !one.of(element.toTensor()).defined());
    }
  }
  if (!any) return {};
  const auto& schema = one.step.schema;
  c10::Dispatcher::singleton().findSchemaOrThrow(schema.name().c_str(), schema.overload_name().c_str()).callBoxed(&stack);
  std::vector<at::Tensor> outputs;
  for (const auto& value : stack)
    for (const auto& tensor : tensors_of(value)) outputs.push_back(tensor);
  return outputs.at(one.place);
}

at::Tensor padded(const One& one, const at::Tensor& output) {
  const auto own = one.first();
  if (!own.defined()) return own;
  const auto* mode = one.argument("mode");
  if (mode && mode->isString() && mode->toStringRef() != "constant") return moved(one, output);
  return at::constant_pad_nd(own, one.numbers("pad"), kNothing);
}

at::Tensor copied(const One& one, const at::Tensor& output) {
  const auto own = one.tensor("src");
  return own.defined() ? own.expand(output.sizes()) : filled(output.sizes(), kNothing);
}

at::Tensor filled_with(const One& one, const at::Tensor& output) {
  const auto own = one.tensor("value");
  return own.defined() ? own.expand(output.sizes()) : filled(output.sizes(), kNothing);
}

at::Tensor nothing(const One&, const at::Tensor& output) { return filled(output.sizes(), kNothing); }

using Rule = at::Tensor (*)(const One& one, const at::Tensor& output);

const std::unordered_map<std::string, Rule>& rules() {
  static const auto table = [] {
    std::unordered_map<std::string, Rule> all;
    const auto add = [&](Rule rule, std::initializer_list<const char*> names) {
      for (const char* name : names) all.emplace(name, rule);
    };
    add(convolution, {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
                      "convolution", "_convolution"});
    add(pooling, {"max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices",
                  "max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d"});
    add(adaptive_pooling, {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
                           "_adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"});
    add(interpolated, {"upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"});
    add(elements, {"tap",        "stop_gradient", "add",       "sub",       "rsub",       "mul",       "div",
                   "pow",        "square",        "sqrt",      "rsqrt",     "exp",        "log",       "log1p",
                   "abs",        "neg",           "sign",      "clamp",     "clamp_min",  "clamp_max", "clip",
                   "relu",       "relu6",         "leaky_relu", "elu",      "selu",       "celu",      "gelu",
                   "silu",       "mish",          "sigmoid",   "hardsigmoid", "hardswish", "hardtanh", "tanh",
                   "softplus",   "softsign",      "prelu",     "log_sigmoid", "threshold", "hardshrink", "softshrink",
                   "erf",        "sin",           "cos",       "floor",     "ceil",       "round",     "reciprocal",
                   "maximum",    "minimum",       "where",     "masked_fill", "lerp",     "addcmul",   "addcdiv",
                   "dropout",    "dropout2d",     "feature_dropout", "alpha_dropout", "native_dropout",
                   "_to_copy",   "contiguous",    "clone",     "detach",    "alias",      "lift_fresh",
                   "float",      "double",        "half",      "gt",        "lt",         "ge",        "le",
                   "eq",         "ne",            "logical_and", "logical_or", "logical_not", "nan_to_num",
                   "atan2",      "expm1",         "special_expit", "true_divide", "floor_divide", "remainder",
                   "to_mkldnn",  "to_dense",      "mkldnn_reorder_conv2d_weight"});
    add(first_only, {"expand_as", "to", "type_as"});
    add(batch_norm, {"batch_norm", "native_batch_norm", "_native_batch_norm_legit",
                     "_native_batch_norm_legit_no_training"});
    add(instance_norm, {"instance_norm"});
    add(group_norm, {"group_norm", "native_group_norm"});
    add(layer_norm, {"layer_norm", "native_layer_norm", "rms_norm"});
    add(softmax, {"softmax", "log_softmax", "_softmax", "_log_softmax"});
    add(reduced, {"mean", "sum", "amax", "amin", "max", "min", "prod", "norm", "linalg_vector_norm", "var", "std",
                  "var_mean", "std_mean", "logsumexp"});
    add(linear, {"linear"});
    add(product, {"matmul", "mm", "bmm", "addmm", "baddbmm"});
    add(attention, {"scaled_dot_product_attention"});
    add(all_tokens, {"_native_multi_head_attention", "_transformer_encoder_layer_fwd"});
    add(halves, {"glu"});
    add(reshaped, {"view", "reshape", "_unsafe_view", "_reshape_alias", "view_as", "reshape_as", "flatten",
                   "unflatten", "squeeze", "unsqueeze"});
    add(moved, {"permute", "transpose", "t", "numpy_T", "mT", "movedim", "expand", "broadcast_to",
                "select", "slice", "narrow", "chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk",
                "unsafe_split", "unsafe_split_with_sizes", "unbind", "cat", "concat", "stack", "hstack", "vstack",
                "flip", "roll", "repeat", "tile", "repeat_interleave", "index_select", "index", "gather", "unfold",
                "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle",
                "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
                "_upsample_nearest_exact2d", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
                "replication_pad2d", "rot90"});
    add(padded, {"pad", "constant_pad_nd"});
    add(copied, {"copy"});
    add(filled_with, {"fill"});
    add(nothing, {"zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "new_zeros",
                  "new_ones", "new_empty", "new_full", "zero"});
    return all;
  }();
  return table;
}

}  // namespace

Bounds bounds_of(at::IntArrayRef shape, double value) {
  const auto one = filled(shape, value);
  return {one, one, one, one};
}

bool has_spread(const c10::FunctionSchema& schema) {
  const bool is_own = schema.name().rfind("aten::", 0) == 0 || schema.name().rfind("repsim::", 0) == 0;
  return is_own && rules().count(operator_name(schema)) > 0;
}

bool reads_numbers(const std::string& name) {
  return name == "item" || name == "_local_scalar_dense" || name == "equal";
}

std::optional<Bounds> spread(const Step& step, const at::Tensor& output, size_t place) {
  const auto rule = rules().at(step.name);
  Bounds found;
  for (size_t i = 0; i < found.size(); i++) {
    found[i] = rule(One{step, i, place}, output);
    if (!found[i].defined()) return std::nullopt;
    check(found[i].sizes() == output.sizes());
  }
  return found;
}

}  // namespace repsim
