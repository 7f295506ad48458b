#include "layout.h"

#include <algorithm>
#include <deque>

namespace repsim {

namespace {

void clear_channels(Axis& axis) {
  for (auto& factor : axis) factor.roles &= kSamples;
}

// Keeps the channels of those axes only where both sides have some; where they contradict each
// other, what an operator says counts more than the convention, and otherwise nothing is left.
void settle(AxisList& a, AxisList& b) {
  const auto clear = [](AxisList& axes) { for (auto& axis : axes) clear_channels(axis); };
  bool common = false, of_a = false, of_b = false, firm_a = false, firm_b = false;
  for (size_t i = 0; i < a.size(); i++) {
    const bool in_a = holds(a[i], kChannels), in_b = holds(b[i], kChannels);
    common |= in_a && in_b;
    of_a |= in_a;
    of_b |= in_b;
    firm_a |= holds_firmly(a[i]);
    firm_b |= holds_firmly(b[i]);
  }
  if (!of_a || !of_b) return;
  if (common) {
    for (size_t i = 0; i < a.size(); i++) {
      if (holds(a[i], kChannels) && holds(b[i], kChannels)) continue;
      clear_channels(a[i]);
      clear_channels(b[i]);
    }
    return;
  }
  if (!firm_a || firm_b) clear(a);
  if (!firm_b || firm_a) clear(b);
}

}  // namespace

uint8_t roles(const Axis& axis) {
  uint8_t all = 0;
  for (const auto& factor : axis) all |= factor.roles;
  return all;
}

bool holds(const Axis& axis, Role role) { return roles(axis) & role; }

int64_t size(const Axis& axis) {
  int64_t product = 1;
  for (const auto& factor : axis) product *= factor.size;
  return product;
}

Axis plain(int64_t size, uint8_t roles) { return {{size, roles, 0}}; }

AxisList blank(at::IntArrayRef shape) {
  AxisList axes;
  for (const int64_t size : shape) axes.push_back(plain(size));
  return axes;
}

LayoutPtr made(AxisList axes) { return std::make_shared<Layout>(Layout{std::move(axes), {}}); }

bool holds_firmly(const Axis& axis) {
  return std::any_of(axis.begin(), axis.end(), [](const Factor& factor) {
    return (factor.roles & kChannels) && !(factor.roles & kByConvention);
  });
}

AxisList fitted(AxisList axes, at::IntArrayRef shape) {
  if (axes.size() != shape.size()) return blank(shape);
  for (size_t i = 0; i < axes.size(); i++)
    if (size(axes[i]) != shape[i]) axes[i] = plain(shape[i], roles(axes[i]));
  return axes;
}

AxisList broadcast(const AxisList& axes, at::IntArrayRef shape) {
  if (axes.size() > shape.size()) return blank(shape);
  AxisList wide = blank(shape.slice(0, shape.size() - axes.size()));
  wide.insert(wide.end(), axes.begin(), axes.end());
  return fitted(std::move(wide), shape);
}

void set_channels(AxisList& axes, int64_t axis, int64_t size) {
  for (auto& other : axes) clear_channels(other);
  axes.at(axis) = plain(size, kChannels);
}

Axis joined(const Axis& a, const Axis& b) {
  Axis axis = roles(a) == 0 && roles(b) != 0 ? b : a;
  if (axis.size() != 1) return axis;
  const bool firm = holds_firmly(a) || holds_firmly(b);
  axis[0].roles |= roles(b);
  if (firm) axis[0].roles &= ~kByConvention;
  if (b.size() == 1) axis[0].constant = std::max(axis[0].constant, b[0].constant);
  if (a.size() == 1) axis[0].constant = std::max(axis[0].constant, a[0].constant);
  return axis;
}

AxisList joined(AxisList a, AxisList b) {
  settle(a, b);
  for (size_t i = 0; i < a.size(); i++) a[i] = joined(a[i], b[i]);
  return a;
}

AxisList regrouped(const AxisList& axes, at::IntArrayRef shape) {
  std::deque<Factor> rest;
  for (const auto& axis : axes) rest.insert(rest.end(), axis.begin(), axis.end());
  AxisList found;
  for (int64_t left : shape) {
    Axis axis;
    if (left == 1) {
      const bool next = !rest.empty() && rest.front().size == 1;
      axis = next ? Axis{rest.front()} : plain(1);
      if (next) rest.pop_front();
    }
    while (left > 1) {
      while (!rest.empty() && rest.front().size == 1) rest.pop_front();
      if (rest.empty()) return blank(shape);
      Factor& factor = rest.front();
      if (left % factor.size == 0) {
        left /= factor.size;
        axis.push_back(factor);
        rest.pop_front();
      } else if (factor.size % left == 0) {
        axis.push_back({left, factor.roles, 0});
        factor = {factor.size / left, factor.roles, 0};
        left = 1;
      } else {
        return blank(shape);
      }
    }
    if (left == 0) return blank(shape);
    found.push_back(std::move(axis));
  }
  return found;
}

void demand(const LayoutPtr& layout, int64_t axis, int depth) {
  if (!layout || channel_axis(*layout) >= 0 || axis < 0 || depth == 0) return;
  if (axis >= static_cast<int64_t>(layout->axes.size())) return;
  set_channels(layout->axes, axis, size(layout->axes[axis]));
  for (const auto& source : layout->sources) demand(source, axis, depth - 1);
}

int64_t channel_axis(const Layout& layout) {
  int64_t found = -1;
  for (size_t i = 0; i < layout.axes.size(); i++) {
    if (!holds(layout.axes[i], kChannels)) continue;
    if (found >= 0 || holds(layout.axes[i], kSamples)) return -1;
    found = static_cast<int64_t>(i);
  }
  return found;
}

int64_t sample_axis(const Layout& layout) {
  int64_t found = -1;
  for (size_t i = 0; i < layout.axes.size(); i++) {
    const Axis& axis = layout.axes[i];
    if (!holds(axis, kSamples)) continue;
    if (found >= 0 || axis.size() != 1 || axis[0].roles != kSamples) return -1;
    found = static_cast<int64_t>(i);
  }
  return found;
}

int64_t class_tokens(const Layout& layout) {
  const int64_t samples = sample_axis(layout), channels = channel_axis(layout);
  if (layout.axes.size() != 3 || samples < 0 || channels < 0) return -1;
  const Axis& tokens = layout.axes[3 - samples - channels];
  return tokens.size() == 1 ? tokens[0].constant : 0;
}

LayoutPtr layout_of_input(at::IntArrayRef shape) {
  auto axes = blank(shape);
  if (!axes.empty()) axes[0][0].roles = kSamples;
  if (axes.size() == 4) axes[1][0].roles = kChannels | kByConvention;
  return made(std::move(axes));
}

}  // namespace repsim
