// Which rows and columns of the input the values of a tensor depend on, and what operators do to that.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace repsim {

// For each value of a tensor the least box of the input that holds all it depends on, in the shape of the
// tensor: minus the first row, the last row, minus the first column, the last column. What depends on two
// boxes has the larger of each. −∞ where a value depends on nothing of the input, NaN where it is not known.
using Bounds = std::array<at::Tensor, 4>;

// A call of an operator.
struct Step {
  std::string name;  // without namespace, overload and the underscore of operators in place
  const c10::FunctionSchema& schema;
  const std::vector<c10::IValue>& arguments;
  std::function<const Bounds*(const at::Tensor&)> find;  // null where nothing of the input is in it
};

// Whether it is known what an operator does. Those of other libraries may bear the names of libtorch's.
bool has_spread(const c10::FunctionSchema& schema);

// Whether an operator takes values out of a tensor as numbers, which nothing follows.
bool reads_numbers(const std::string& name);

// What output number `place` of a known operator depends on, those in lists counted one by one; nothing where
// it does not depend on the input. Throws where the call is one that the rule is not for.
std::optional<Bounds> spread(const Step& step, const at::Tensor& output, size_t place);

// Bounds of one value everywhere.
Bounds bounds_of(at::IntArrayRef shape, double value);

}  // namespace repsim
