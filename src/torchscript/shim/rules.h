// What operators do to the axes of tensors.
#pragma once
#include <ATen/core/function_schema.h>

#include <functional>
#include <string>
#include <vector>

#include "layout.h"

namespace repsim {

// A call of an operator, with what is known of its arguments.
struct Call {
  std::string name;  // without namespace, overload and the underscore of operators in place
  const c10::FunctionSchema& schema;
  const std::vector<c10::IValue>& arguments;
  std::function<LayoutPtr(const at::Tensor&)> find;

  const c10::IValue* argument(const char* name) const;
  at::Tensor tensor(const char* name) const;     // undefined where there is none
  LayoutPtr layout(const char* name) const;      // null where it does not come from the input
  std::vector<at::Tensor> tensors() const;       // all of them, those in lists too
  int64_t number(const char* name, int64_t otherwise) const;
  std::vector<int64_t> numbers(const char* name) const;
};

// The layout of an output of an operator that has a rule; null where it has none.
LayoutPtr by_rule(const Call& call, const at::Tensor& output, size_t place);

// The layout of the output of an operator that works element by element, as one without a rule is
// taken to do if the shapes allow it. Null where no argument comes from the input.
LayoutPtr by_elements(const Call& call, const at::Tensor& output);

}  // namespace repsim
