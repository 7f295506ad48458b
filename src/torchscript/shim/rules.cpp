#include "rules.h"

#include <algorithm>
#include <unordered_map>

namespace repsim {

namespace {

int64_t place_of(int64_t axis, size_t rank) {
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

using Rule = LayoutPtr (*)(const Call& call, const at::Tensor& output, size_t place);

LayoutPtr first(const Call& call) {
  for (const auto& tensor : call.tensors())
    if (auto layout = call.find(tensor)) return layout;
  return nullptr;
}

// How many axes of positions an operator works on, from the digit in its name: `max_pool2d`.
int64_t positions_in_name(const std::string& name) {
  for (size_t i = 1; i < name.size(); i++)
    if (name[i] == 'd' && name[i - 1] >= '1' && name[i - 1] <= '3') return name[i - 1] - '0';
  return 0;
}

// N×C×positions: the axes in front of the channels as they were, channels, positions.
LayoutPtr channels_before(const LayoutPtr& from, const at::Tensor& output, int64_t positions) {
  const int64_t axis = output.dim() - 1 - positions;
  if (!from || axis < 0) return nullptr;
  demand(from, axis);
  auto axes = fitted(from->axes, output.sizes());
  set_channels(axes, axis, output.size(axis));
  return made(std::move(axes));
}

LayoutPtr convolution(const Call& call, const at::Tensor& output, size_t) {
  const auto weight = call.tensor("weight");
  const int64_t positions = weight.defined() ? weight.dim() - 2 : positions_in_name(call.name);
  return channels_before(first(call), output, positions);
}

LayoutPtr norm_of_channels(const Call& call, const at::Tensor& output, size_t place) {
  const auto from = first(call);
  if (!from || place > 0 || output.dim() < 2) return nullptr;
  // One slope for all channels tells nothing.
  if (call.name == "prelu" && call.tensor("weight").numel() == 1) return nullptr;
  return channels_before(from, output, output.dim() - 2);
}

LayoutPtr pooling(const Call& call, const at::Tensor& output, size_t) {
  const auto from = first(call);
  if (!from) return nullptr;
  demand(from, output.dim() - 1 - positions_in_name(call.name));
  return made(fitted(from->axes, output.sizes()));
}

LayoutPtr padding(const Call& call, const at::Tensor& output, size_t) {
  const auto from = first(call);
  return from ? made(fitted(from->axes, output.sizes())) : nullptr;
}

LayoutPtr shuffled_pixels(const Call& call, const at::Tensor& output, size_t) {
  return channels_before(first(call), output, 2);
}

LayoutPtr columns(const Call& call, const at::Tensor& output, size_t) {
  const auto from = first(call);
  if (!from || output.dim() != 3) return nullptr;
  auto axes = blank(output.sizes());
  axes[0] = from->axes.at(0);
  set_channels(axes, 1, output.size(1));
  return made(fitted(std::move(axes), output.sizes()));
}

// Features last. Where the last axis holds positions and the channels are known to be elsewhere, as
// where an MLP-Mixer mixes tokens, they stay there.
LayoutPtr features_last(const LayoutPtr& from, const at::Tensor& output, bool always = false) {
  if (!from || output.dim() < 1) return nullptr;
  const int64_t last = output.dim() - 1;
  auto axes = fitted(from->axes, output.sizes());
  if (from->axes.size() != static_cast<size_t>(output.dim())) axes = blank(output.sizes());
  const bool elsewhere = std::any_of(axes.begin(), axes.end() - 1, holds_firmly);
  if (always || holds(axes[last], kChannels) || !elsewhere) {
    demand(from, static_cast<int64_t>(from->axes.size()) - 1);
    set_channels(axes, last, output.size(last));
  }
  return made(std::move(axes));
}

LayoutPtr linear(const Call& call, const at::Tensor& output, size_t) {
  return features_last(first(call), output);
}

LayoutPtr norm_of_features(const Call& call, const at::Tensor& output, size_t place) {
  const auto from = call.layout("input");
  if (!from || place > 0) return nullptr;
  if (call.numbers("normalized_shape").size() == 1) return features_last(from, output);
  return made(fitted(from->axes, output.sizes()));
}

LayoutPtr attention_layer(const Call& call, const at::Tensor& output, size_t place) {
  return place == 0 ? features_last(first(call), output, /*always=*/true) : nullptr;
}

LayoutPtr recurrent(const Call& call, const at::Tensor& output, size_t place) {
  const auto from = call.layout("input");
  if (place == 0 || !from) return features_last(from, output, /*always=*/true);
  const auto* batch_first = call.argument("batch_first");
  if (!batch_first || output.dim() != 3 || from->axes.size() != 3) return nullptr;
  auto axes = blank(output.sizes());
  axes[1] = from->axes[batch_first->toBool() ? 0 : 1];
  set_channels(axes, 2, output.size(2));
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr embedding(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("indices");
  if (!from || from->axes.size() + 1 != static_cast<size_t>(output.dim())) return nullptr;
  auto axes = from->axes;
  axes.push_back(plain(output.size(-1)));
  set_channels(axes, output.dim() - 1, output.size(-1));
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr scaled_dot_product(const Call& call, const at::Tensor& output, size_t place) {
  const auto query = call.layout("query"), value = call.layout("value");
  if (place > 0 || !query || query->axes.size() != static_cast<size_t>(output.dim())) return nullptr;
  auto axes = query->axes;
  if (value && value->axes.size() == axes.size()) axes.back() = value->axes.back();
  return made(fitted(std::move(axes), output.sizes()));
}

// A weight on the left works on the last but one axis.
LayoutPtr weight_times(const LayoutPtr& from, const at::Tensor& output) {
  const int64_t row = output.dim() - 2;
  if (row < 0 || from->axes.size() != static_cast<size_t>(output.dim())) return nullptr;
  auto axes = fitted(from->axes, output.sizes());
  if (holds(axes[row], kChannels) || channel_axis(*from) < 0)
    set_channels(axes, row, output.size(row));
  return made(std::move(axes));
}

LayoutPtr product_of(const LayoutPtr& a, const LayoutPtr& b, const at::Tensor& output) {
  if (!a && !b) return nullptr;
  const auto rank = static_cast<size_t>(output.dim());
  if (!b) return a->axes.size() == rank ? features_last(a, output) : made(blank(output.sizes()));
  if (!a) return weight_times(b, output);
  if (rank < 2 || a->axes.size() > rank || b->axes.size() > rank) return made(blank(output.sizes()));
  auto left = broadcast(a->axes, output.sizes()), right = broadcast(b->axes, output.sizes());
  if (a->axes.size() < 2 || b->axes.size() < 2) return made(blank(output.sizes()));
  AxisList axes;
  for (size_t i = 0; i + 2 < rank; i++) axes.push_back(joined(left[i], right[i]));
  axes.push_back(left[rank - 2]);
  axes.push_back(right[rank - 1]);
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr product(const Call& call, const at::Tensor& output, size_t) {
  // `addmm`, `baddbmm`: what is added comes first.
  const size_t offset = call.name.rfind("add", 0) == 0 || call.name == "baddbmm" ? 1 : 0;
  if (call.arguments.size() < offset + 2) return nullptr;
  const auto& a = call.arguments[offset];
  const auto& b = call.arguments[offset + 1];
  if (!a.isTensor() || !b.isTensor()) return nullptr;
  return product_of(call.find(a.toTensor()), call.find(b.toTensor()), output);
}

LayoutPtr permutation(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  const auto order = call.numbers("dims");
  if (!from || order.size() != from->axes.size()) return nullptr;
  AxisList axes;
  for (const int64_t axis : order) axes.push_back(from->axes.at(place_of(axis, order.size())));
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr transposition(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  if (!from) return nullptr;
  const size_t rank = from->axes.size();
  auto axes = from->axes;
  if (rank < 2) return from;
  const auto a = place_of(call.number("dim0", -2), rank), b = place_of(call.number("dim1", -1), rank);
  std::swap(axes.at(a), axes.at(b));
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr reversed(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  return from ? made(fitted({from->axes.rbegin(), from->axes.rend()}, output.sizes())) : nullptr;
}

LayoutPtr view(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  return from ? made(regrouped(from->axes, output.sizes())) : nullptr;
}

LayoutPtr squeezed(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  if (!from) return nullptr;
  const size_t rank = from->axes.size();
  auto which = call.numbers("dim");
  const bool all = !call.argument("dim");
  for (auto& axis : which) axis = place_of(axis, rank);
  AxisList axes;
  for (size_t i = 0; i < rank; i++) {
    const bool named = all || std::count(which.begin(), which.end(), static_cast<int64_t>(i));
    if (!named || size(from->axes[i]) != 1) axes.push_back(from->axes[i]);
  }
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr with_axis(AxisList axes, int64_t place, const at::Tensor& output) {
  if (place < 0 || place > static_cast<int64_t>(axes.size())) return nullptr;
  axes.insert(axes.begin() + place, plain(1));
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr unsqueezed(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  if (!from) return nullptr;
  return with_axis(from->axes, place_of(call.number("dim", 0), output.dim()), output);
}

LayoutPtr stacked(const Call& call, const at::Tensor& output, size_t) {
  LayoutPtr all;
  for (const auto& tensor : call.tensors()) {
    const auto layout = call.find(tensor);
    if (layout) all = all ? made(joined(all->axes, layout->axes)) : layout;
  }
  if (!all) return nullptr;
  return with_axis(all->axes, place_of(call.number("dim", 0), output.dim()), output);
}

LayoutPtr expanded(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  return from ? made(broadcast(from->axes, output.sizes())) : nullptr;
}

LayoutPtr resized(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  return from ? made(fitted(from->axes, output.sizes())) : nullptr;
}

// An axis cut at both ends, or one element in so many of it.
LayoutPtr slice(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  if (!from || from->axes.size() != static_cast<size_t>(output.dim())) return nullptr;
  const auto dim = place_of(call.number("dim", 0), output.dim());
  auto axes = fitted(from->axes, output.sizes());
  const Axis& before = from->axes.at(dim);
  if (before.size() == 1 && call.number("step", 1) == 1) {
    const int64_t start = place_of(call.number("start", 0), before[0].size);
    const int64_t left = before[0].constant - std::max<int64_t>(start, 0);
    axes[dim][0].constant = std::clamp<int64_t>(left, 0, output.size(dim));
  }
  return made(std::move(axes));
}

LayoutPtr without(const LayoutPtr& from, int64_t axis, const at::Tensor& output) {
  if (!from) return nullptr;
  auto axes = from->axes;
  const auto place = place_of(axis, axes.size());
  if (place < 0 || place >= static_cast<int64_t>(axes.size())) return nullptr;
  axes.erase(axes.begin() + place);
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr selected(const Call& call, const at::Tensor& output, size_t) {
  return without(call.layout("self"), call.number("dim", 0), output);
}

// `x[:, index]`: the axes without an index stay.
LayoutPtr indexed(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  const auto* indices = call.argument("indices");
  if (!from || !indices || !indices->isList()) return nullptr;
  std::vector<size_t> given;
  const auto list = indices->toListRef();
  for (size_t i = 0; i < list.size(); i++)
    if (list[i].isTensor() && list[i].toTensor().defined()) given.push_back(i);
  auto axes = from->axes;
  if (given.size() != 1 || axes.size() != static_cast<size_t>(output.dim()))
    return made(blank(output.sizes()));
  return made(fitted(std::move(axes), output.sizes()));
}

// The leading tensors of a concatenation that do not come from the input count as constant.
LayoutPtr concatenation(const Call& call, const at::Tensor& output, size_t) {
  const auto dim = place_of(call.number("dim", 0), output.dim());
  LayoutPtr all;
  Factor whole{output.size(dim)};
  for (const auto& tensor : call.tensors()) {
    if (tensor.dim() != output.dim()) continue;
    const auto layout = call.find(tensor);
    if (!layout) {
      whole.constant += all ? 0 : tensor.size(dim);
      continue;
    }
    const Axis& part = layout->axes.at(dim);
    if (!all && part.size() == 1) whole.constant += part[0].constant;
    auto axes = fitted(layout->axes, output.sizes());
    all = all ? made(joined(all->axes, axes)) : made(axes);
  }
  if (!all) return nullptr;
  whole.roles = roles(all->axes.at(dim));
  all->axes[dim] = {whole};
  return all;
}

// Means, sums, maxima over axes. An axis that is kept with one element stays what it was.
LayoutPtr reduction(const Call& call, const at::Tensor& output, size_t) {
  const auto from = first(call);
  if (!from) return nullptr;
  const size_t rank = from->axes.size();
  if (rank == static_cast<size_t>(output.dim())) return made(fitted(from->axes, output.sizes()));
  auto which = call.numbers("dim");
  for (auto& axis : which) axis = place_of(axis, rank);
  AxisList axes;
  for (size_t i = 0; i < rank; i++)
    if (!std::count(which.begin(), which.end(), static_cast<int64_t>(i))) axes.push_back(from->axes[i]);
  return made(fitted(std::move(axes), output.sizes()));
}

LayoutPtr unfolded(const Call& call, const at::Tensor& output, size_t) {
  const auto from = call.layout("self");
  if (!from) return nullptr;
  return with_axis(from->axes, static_cast<int64_t>(from->axes.size()), output);
}

LayoutPtr unknown(const Call& call, const at::Tensor& output, size_t) {
  return first(call) ? made(blank(output.sizes())) : nullptr;
}

const std::unordered_map<std::string, Rule>& rules() {
  static const auto table = [] {
    std::unordered_map<std::string, Rule> all;
    const auto add = [&](Rule rule, std::initializer_list<const char*> names) {
      for (const char* name : names) all.emplace(name, rule);
    };
    add(convolution, {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
                      "conv_transpose3d", "convolution", "_convolution", "convolution_overrideable",
                      "mkldnn_convolution", "_conv_depthwise2d", "thnn_conv2d", "_slow_conv2d_forward",
                      "slow_conv3d", "slow_conv_dilated2d", "slow_conv_dilated3d",
                      "slow_conv_transpose2d", "slow_conv_transpose3d", "cudnn_convolution",
                      "conv2d_relu", "conv1d_relu", "conv3d_relu"});
    add(norm_of_channels, {"batch_norm", "instance_norm", "group_norm", "native_batch_norm",
                           "_batch_norm_impl_index", "native_group_norm", "prelu",
                           "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
                           "batch_norm2d", "batch_norm3d", "batch_norm1d"});
    add(pooling, {"max_pool1d", "max_pool2d", "max_pool3d", "max_pool1d_with_indices",
                  "max_pool2d_with_indices", "max_pool3d_with_indices", "mkldnn_max_pool2d",
                  "mkldnn_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
                  "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d",
                  "_adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
                  "adaptive_max_pool3d", "fractional_max_pool2d", "fractional_max_pool3d",
                  "max_unpool2d", "max_unpool3d", "upsample_nearest1d", "upsample_nearest2d",
                  "upsample_nearest3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
                  "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d",
                  "upsample_bicubic2d", "upsample_trilinear3d", "_upsample_bilinear2d_aa",
                  "_upsample_bicubic2d_aa", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
                  "replication_pad1d", "replication_pad2d", "replication_pad3d"});
    add(padding, {"pad", "constant_pad_nd", "_pad_circular", "_pad_enum", "glu"});
    add(shuffled_pixels, {"pixel_shuffle", "pixel_unshuffle", "grid_sampler", "grid_sampler_2d", "col2im"});
    add(columns, {"im2col"});
    add(linear, {"linear", "linear_relu", "linear_dynamic", "mkldnn_linear"});
    add(norm_of_features, {"layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm"});
    add(attention_layer, {"_native_multi_head_attention", "_transformer_encoder_layer_fwd"});
    add(recurrent, {"lstm", "gru", "rnn_tanh", "rnn_relu"});
    add(embedding, {"embedding"});
    add(scaled_dot_product, {"scaled_dot_product_attention", "_scaled_dot_product_attention_math",
                             "_scaled_dot_product_flash_attention_for_cpu",
                             "_scaled_dot_product_flash_attention",
                             "_scaled_dot_product_efficient_attention"});
    add(product, {"matmul", "mm", "bmm", "addmm", "baddbmm"});
    add(permutation, {"permute"});
    add(transposition, {"transpose", "mT", "mH", "adjoint", "t"});
    add(reversed, {"numpy_T"});
    add(view, {"view", "reshape", "_reshape_alias", "_unsafe_view", "view_as", "reshape_as", "flatten",
               "unflatten", "_reshape_copy"});
    add(squeezed, {"squeeze"});
    add(unsqueezed, {"unsqueeze"});
    add(stacked, {"stack"});
    add(expanded, {"expand", "expand_as", "repeat", "tile", "broadcast_to"});
    add(resized, {"index_select", "gather", "take_along_dim", "repeat_interleave", "split", "chunk",
                  "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split", "narrow_copy",
                  "unsafe_split_with_sizes", "topk", "sort", "fft_fft", "fft_fft2", "fft_fftn",
                  "fft_rfft", "fft_rfft2", "fft_rfftn", "fft_irfft", "fft_irfft2", "fft_irfftn"});
    add(slice, {"slice", "narrow"});
    add(selected, {"select", "unbind"});
    add(indexed, {"index"});
    add(concatenation, {"cat", "concat", "concatenate", "_cat"});
    add(reduction, {"mean", "sum", "nanmean", "nansum", "amax", "amin", "max", "min", "prod", "norm",
                    "linalg_vector_norm", "var", "std", "var_mean", "std_mean", "logsumexp", "median",
                    "argmax", "argmin", "any", "all", "aminmax", "count_nonzero"});
    add(unfolded, {"unfold", "view_as_real"});
    add(unknown, {"cdist", "_euclidean_dist"});
    return all;
  }();
  return table;
}

// Whether a tensor broadcasts to a shape.
bool reaches(const at::Tensor& tensor, at::IntArrayRef shape) {
  const auto own = tensor.sizes();
  if (own.size() > shape.size()) return false;
  for (size_t i = 1; i <= own.size(); i++)
    if (own[own.size() - i] != 1 && own[own.size() - i] != shape[shape.size() - i]) return false;
  return true;
}

}  // namespace

const c10::IValue* Call::argument(const char* name) const {
  const auto place = schema.argumentIndexWithName(name);
  return place ? &arguments[*place] : nullptr;
}

at::Tensor Call::tensor(const char* name) const {
  const auto* value = argument(name);
  return value && value->isTensor() ? value->toTensor() : at::Tensor();
}

LayoutPtr Call::layout(const char* name) const {
  const auto value = tensor(name);
  return value.defined() ? find(value) : nullptr;
}

std::vector<at::Tensor> Call::tensors() const {
  std::vector<at::Tensor> all;
  for (const auto& value : arguments) {
    if (value.isTensor()) all.push_back(value.toTensor());
    if (value.isTensorList())
      for (auto& tensor : value.toTensorVector()) all.push_back(std::move(tensor));
  }
  std::erase_if(all, [](const at::Tensor& tensor) { return !tensor.defined(); });
  return all;
}

int64_t Call::number(const char* name, int64_t otherwise) const {
  const auto* value = argument(name);
  return value && value->isInt() ? value->toInt() : otherwise;
}

std::vector<int64_t> Call::numbers(const char* name) const {
  const auto* value = argument(name);
  if (value && value->isInt()) return {value->toInt()};
  return value && value->isIntList() ? value->toIntVector() : std::vector<int64_t>();
}

LayoutPtr by_rule(const Call& call, const at::Tensor& output, size_t place) {
  const auto rule = rules().find(call.name);
  return rule == rules().end() ? nullptr : rule->second(call, output, place);
}

LayoutPtr by_elements(const Call& call, const at::Tensor& output) {
  const auto shape = output.sizes();
  std::vector<LayoutPtr> sources, same;
  std::vector<bool> covered(shape.size(), false);
  for (const auto& tensor : call.tensors()) {
    if (!reaches(tensor, shape)) continue;
    const size_t offset = shape.size() - tensor.dim();
    for (size_t i = offset; i < shape.size(); i++)
      if (tensor.size(i - offset) == shape[i]) covered[i] = true;
    const auto layout = call.find(tensor);
    if (!layout) continue;
    sources.push_back(layout);
    if (tensor.sizes() == shape) same.push_back(layout);
  }
  // `new_zeros` takes a tensor only for its type.
  if (!first(call) || call.name.rfind("new_", 0) == 0) return nullptr;
  const bool fits = std::all_of(covered.begin(), covered.end(), [](bool axis) { return axis; });
  if (sources.empty() || !fits) return made(blank(shape));
  if (sources.size() == 1 && same.size() == 1) return same[0];
  auto axes = broadcast(sources[0]->axes, shape);
  for (size_t i = 1; i < sources.size(); i++)
    axes = joined(std::move(axes), broadcast(sources[i]->axes, shape));
  return std::make_shared<Layout>(Layout{std::move(axes), std::move(same)});
}

}  // namespace repsim
