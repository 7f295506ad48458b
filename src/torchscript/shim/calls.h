// What the calls of operators are given and give, for those who observe them.
#pragma once
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace repsim {

// What a call was given: arguments are gone when it ends.
struct Arguments : at::ObserverContext {
  std::vector<c10::IValue> values;
};

// The boxed calls of the interpreter hand over its whole stack; the arguments are its end.
inline std::unique_ptr<at::ObserverContext> arguments_of(const at::RecordFunction& function) {
  auto context = std::make_unique<Arguments>();
  const auto schema = function.operator_schema();
  if (!schema) return context;
  const auto given = function.inputs();
  const auto count = std::min(given.size(), schema->arguments().size());
  context->values.assign(given.end() - count, given.end());
  return context;
}

// `aten::add_` and `add.out` are the operator `add`.
inline std::string operator_name(const c10::FunctionSchema& schema) {
  std::string name = schema.name();
  name.erase(0, name.rfind(':') + 1);
  if (name.size() > 1 && name.back() == '_' && name[name.size() - 2] != '_') name.pop_back();
  return name;
}

// The tensors of a value, one or a list of them, of which some may be missing.
inline std::vector<at::Tensor> tensors_of(const c10::IValue& value) {
  if (value.isTensor()) return {value.toTensor()};
  if (value.isTensorList()) return value.toTensorVector();
  std::vector<at::Tensor> found;
  if (!value.isList()) return found;
  for (const c10::IValue& element : value.toListRef())
    if (element.isTensor()) found.push_back(element.toTensor());
  return found;
}

}  // namespace repsim
