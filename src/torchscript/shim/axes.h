// Which axis of a tensor holds the channels and which the samples, told by the operators that made it.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "layout.h"

namespace repsim {

// What is known of a layer's output; -1 where it cannot be told.
struct Axes {
  int64_t samples;
  int64_t channels;
  int64_t class_tokens;  // tokens in front that do not come from the input
};

// Follows the axes of all tensors that come from the inputs, samples first, through the operators of this thread, for
// as long as it lives. Operators made of others are seen with their parts; a rule for the whole counts
// more than those for the parts.
class AxisTracker {
 public:
  explicit AxisTracker(const std::vector<at::Tensor>& inputs);
  ~AxisTracker();
  AxisTracker(const AxisTracker&) = delete;
  AxisTracker& operator=(const AxisTracker&) = delete;

  // Keeps what is known of a layer's output. What later operators tell of it counts too.
  void note(const at::Tensor& output);

  // What is known of the outputs noted, in their order.
  std::vector<Axes> axes() const;

 private:
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function);
  static void end(const at::RecordFunction& function, at::ObserverContext* context);

  using Weak = c10::weak_intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>;

  LayoutPtr find(const at::Tensor& tensor) const;
  void set(const at::Tensor& tensor, LayoutPtr layout);

  at::CallbackHandle handle_;
  AxisTracker* previous_;
  // Weak references keep the addresses from being used again, and no memory of the values.
  std::unordered_map<const at::TensorImpl*, std::pair<Weak, LayoutPtr>> layouts_;
  std::vector<LayoutPtr> noted_;
};

}  // namespace repsim
