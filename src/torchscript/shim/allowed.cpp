// Lists of what computes. What is in none of them is refused.
#include "allowed.h"

#include <ATen/core/class_type.h>

#include <set>
#include <sstream>

namespace repsim {

namespace {

using Names = std::set<std::string>;

Names names(const char* text) {
  std::istringstream words(text);
  Names found;
  for (std::string word; words >> word;) found.insert(word);
  return found;
}

const Names& computing_namespaces() {
  static const Names found = names(
      "aten prims quantized _quantized quantization onednn mkl mkldnn mkldnn_prepacked sparse "
      "inductor_prims rngprims _native");
  return found;
}

// What the compiler makes of code, and attributes of tensors.
const Names& primitives() {
  static const Names found = names(
      "Constant ListConstruct ListUnpack TupleConstruct TupleUnpack TupleIndex TupleSlice DictConstruct "
      "If Loop Return Param GetAttr SetAttr HasAttr CallMethod CallFunction CreateObject isinstance "
      "Uninitialized unchecked_cast unchecked_unwrap_optional RaiseException Print NumToTensor fork Closure "
      "awaitable awaitable_wait awaitable_nowait Enter Exit data device dtype grad id index itemsize layout "
      "max min abs name nbytes rangelist requires_grad tolist type EnumName EnumValue ModuleContainerIndex "
      "StringIndex ConstantChunk AutogradZero AutogradAdd is_cpu is_cuda is_ipu is_maia is_meta is_mkldnn "
      "is_mps is_mtia is_nested is_quantized is_sparse is_sparse_csr is_vulkan is_xla is_xpu shape "
      "BroadcastSizes ReductionSizes ChunkSizes mkldnn_convolution MKLDNNClamp MKLDNNHardSigmoid "
      "MKLDNNHardSwish MKLDNNHardTanh MKLDNNLayerNorm MKLDNNScalarMul ConstantMKLDNNTensor");
  return found;
}

// Operators whose texts say how to compute, or are what is computed with.
const Names& with_text() {
  static const Names found = names(
      // How to compute.
      "__interpolate __upsample _assert_async _assert_scalar _convolution_mode _functional_assert_async "
      "_functional_assert_scalar _linalg_check_errors _linalg_eigh _linalg_svd _mixed_dtypes_linear "
      "_segment_reduce_backward _sparse_mm _sparse_mm_reduce_impl _sparse_mm_reduce_impl_backward "
      "_sparse_semi_structured_linear _sparse_semi_structured_tile conv1d conv2d conv3d device div div_ "
      "divide divide_ einsum fft_fft fft_fft2 fft_fftn fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 "
      "fft_ifftn fft_ihfft fft_ihfft2 fft_ihfftn fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 "
      "fft_rfftn gelu gelu_ gelu_backward get_autocast_dtype index_reduce index_reduce_ linalg_cond "
      "linalg_eigh linalg_eigvalsh linalg_lstsq linalg_matrix_norm linalg_norm linalg_qr linalg_svd "
      "linalg_svdvals meshgrid nanquantile pad pad_sequence quantile scatter scatter_ scatter_reduce "
      "scatter_reduce_ searchsorted segment_reduce stft warn "
      // Texts and collections of them.
      "Delete Float Int Complex Bool __contains__ __getitem__ _set_item add any all capitalize clear "
      "copy count dict endswith eq find format ge get gt hash index isalnum isalpha isdecimal "
      "isdigit isidentifier islower isnumeric isprintable isspace istitle isupper items join keys le len "
      "list lower lstrip lt ne ord chr hex oct bin str partition percentFormat pop popitem remove "
      "replace rfind rindex rpartition rsplit rstrip setdefault slice sort sorted split splitlines "
      "startswith strip swapcase title update upper values mul append insert extend reverse "
      // Of oneDNN.
      "_convolution_pointwise _convolution_pointwise_ _convolution_transpose_pointwise _linear_pointwise "
      "conv2d_prepack qconv1d_pointwise qconv2d_pointwise qconv3d_pointwise qconv_pointwise "
      "qlinear_pointwise");
  return found;
}

// Operators that reach beyond the model, or beyond their tensors, although nothing in their schema says so.
const Names& exceptions() {
  static const Names found = names(
      "from_file save get_gradients data_ptr _sparse_coo_tensor_unsafe _sparse_compressed_tensor_unsafe "
      "_sparse_csr_tensor_unsafe _sparse_csc_tensor_unsafe _sparse_bsr_tensor_unsafe "
      "_sparse_bsc_tensor_unsafe _nested_view_from_buffer _nested_view_from_buffer_copy");
  return found;
}

// Weights that were packed for a processor.
const Names& packed_classes() {
  static const Names found = names(
      "quantized.LinearPackedParamsBase quantized.Conv2dPackedParamsBase "
      "quantized.Conv3dPackedParamsBase quantized.EmbeddingPackedParamsBase rnn.CellParamsBase "
      "sparse.LinearPackedParamsBase mkldnn.ConvOpContext");
  return found;
}

const std::string kClasses = "__torch__.torch.classes.";

bool takes_text(const c10::Type& type) {
  if (type.kind() == c10::TypeKind::StringType) return true;
  for (const auto& inner : type.containedTypes())
    if (takes_text(*inner)) return true;
  return false;
}

// Schemas are libtorch's own, and their types small.
bool reaches(const c10::Type& type) {
  if (!reaching_itself(type).empty()) return true;
  for (const auto& inner : type.containedTypes())
    if (reaches(*inner)) return true;
  return false;
}

bool schema_is_allowed(const std::string& name, const c10::FunctionSchema& schema) {
  for (const auto& argument : schema.arguments()) {
    if (reaches(*argument.real_type())) return false;
    if (takes_text(*argument.real_type()) && !with_text().count(name)) return false;
  }
  for (const auto& result : schema.returns())
    if (reaches(*result.real_type())) return false;
  return true;
}

}  // namespace

bool is_of_libtorch(const std::string& space) {
  static const Names others = names("c10d _c10d_functional _c10d_functional_autograd cuda symm_mem profiler "
                                    "static_runtime inductor prim repsim rpc debugprims export");
  return computing_namespaces().count(space) || others.count(space);
}

bool is_allowed(const c10::Symbol& kind, const c10::FunctionSchema* schema) {
  const std::string space = kind.ns().toUnqualString(), name = kind.toUnqualString();
  if (space == "prim") return primitives().count(name) > 0;
  if (!schema || !computing_namespaces().count(space) || exceptions().count(name)) return false;
  return schema_is_allowed(name, *schema);
}

std::string reaching_itself(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::RRefType:
    case c10::TypeKind::PyObjectType:
    case c10::TypeKind::StreamObjType:
    case c10::TypeKind::StorageType: return type.str();
    case c10::TypeKind::ClassType: {
      const auto& name = type.expectRef<c10::ClassType>().name();
      const std::string full = name ? name->qualifiedName() : "";
      if (full.rfind(kClasses, 0) != 0) return "";
      return packed_classes().count(full.substr(kClasses.size())) ? "" : full;
    }
    default: return "";
  }
}

}  // namespace repsim
