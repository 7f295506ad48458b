// The axes of a tensor, each with what it stands for.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace repsim {

// What an axis, or a part of it, stands for. Neither samples nor channels: positions, or unknown.
enum Role : uint8_t {
  kSamples = 1,
  kChannels = 2,
  kByConvention = 4,  // with kChannels: only because images are N×C×H×W
};

// A part of an axis. An axis that was merged from several has one factor each, the slowest first.
struct Factor {
  int64_t size;
  uint8_t roles = 0;
  int64_t constant = 0;  // how many elements in front do not come from the input
};

using Axis = std::vector<Factor>;
using AxisList = std::vector<Axis>;

struct Layout;
using LayoutPtr = std::shared_ptr<Layout>;

struct Layout {
  AxisList axes;
  std::vector<LayoutPtr> sources;  // of the same shape, where an operator works element by element
};

LayoutPtr made(AxisList axes);

// The layout of a model's input: samples first; four axes are those of images.
LayoutPtr layout_of_input(at::IntArrayRef shape);

// The axis of the channels, of the samples; -1 where none or several could be it.
int64_t channel_axis(const Layout& layout);
int64_t sample_axis(const Layout& layout);

// How many tokens in front of N×T×D do not come from the input; -1 where that makes no sense.
int64_t class_tokens(const Layout& layout);

uint8_t roles(const Axis& axis);
bool holds(const Axis& axis, Role role);
// Whether an operator, and not the convention for images alone, put channels on the axis.
bool holds_firmly(const Axis& axis);
int64_t size(const Axis& axis);

// Axes of which nothing more than the sizes is known.
Axis plain(int64_t size, uint8_t roles = 0);
AxisList blank(at::IntArrayRef shape);

// The axes at the sizes of a shape of the same rank: one whose size changed becomes a single factor.
AxisList fitted(AxisList axes, at::IntArrayRef shape);

// The axes aligned at the end of a shape with more of them.
AxisList broadcast(const AxisList& axes, at::IntArrayRef shape);

// What two layouts of the same shape say together. Where they contradict each other, an operator
// counts more than the convention for images; two operators leave the channels unknown.
Axis joined(const Axis& a, const Axis& b);
AxisList joined(AxisList a, AxisList b);

// The axes after elements were regrouped in their order, as `view` does.
AxisList regrouped(const AxisList& axes, at::IntArrayRef shape);

// Puts the channels at one axis and nowhere else.
void set_channels(AxisList& axes, int64_t axis, int64_t size);

// Puts channels at an axis where nothing told so far, on what is known to be the same elements too.
void demand(const LayoutPtr& layout, int64_t axis, int depth = 16);

}  // namespace repsim
