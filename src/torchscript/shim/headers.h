// What most files of this folder include, for a compiler that can keep it compiled. A file includes what it needs
// all the same.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/record_function.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/operator.h>
#include <torch/library.h>
#include <torch/script.h>
