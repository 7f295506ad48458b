// Which operators and classes only compute.
#pragma once
#include <ATen/core/function_schema.h>
#include <ATen/core/interned_strings.h>
#include <ATen/core/jit_type.h>

#include <string>

namespace repsim {

// Whether an operator only computes: it is of a namespace of those that do, and its schema (null where it
// has none) takes no text but where that is known to choose how to compute, and no value that reaches
// something outside of the model.
bool is_allowed(const c10::Symbol& kind, const c10::FunctionSchema* schema);

// Whether an operator is one of libtorch's own namespaces at all.
bool is_of_libtorch(const std::string& space);

// The name of a type that reaches beyond the model, without regard to what it contains; empty where it does not.
std::string reaching_itself(const c10::Type& type);

}  // namespace repsim
