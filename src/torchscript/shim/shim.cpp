#include "shim.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/Flags.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/passes/lower_tuples.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <sstream>

#include "aliases.h"
#include "apart.h"
#include "axes.h"
#include "bytes.h"
#include "dependence.h"
#include "ending.h"
#include "graph.h"
#include "inputs.h"
#include "judge.h"
#include "model.h"
#include "names.h"
#include "outputs.h"
#include "prints.h"
#include "recurrent.h"
#include "tail.h"
#include "types.h"

using namespace torch::jit;
using repsim::copy_text;
using repsim::guarded;

struct repsim_tail {
  std::unique_ptr<GraphFunction> function;
  Stack arguments;                              // `self`, and what is the same in every run
  int64_t output;
  std::vector<int64_t> first_calls;
  bool channels_last;
};

C10_DECLARE_int(caffe2_log_level);

namespace {

constexpr const char* kFeaturesFlag = "return_features";

// The simple executor: no profiling runs, no fusion, gradients by plain autograd.
std::unique_ptr<GraphFunction> make_function(std::shared_ptr<Graph> graph) {
  return std::make_unique<GraphFunction>(c10::QualifiedName("repsim_forward"), std::move(graph),
                                         nullptr, ExecutorExecutionMode::SIMPLE);
}

// Which calls of a hook were given one tensor, with nothing written into it in between.
class Identities {
 public:
  explicit Identities(std::vector<int64_t>& same) : same_(same) { same_.clear(); }

  void add(const at::Tensor& output) {
    const int64_t version = output._version();
    const auto* impl = output.unsafeGetTensorImpl();
    const auto [first, is_new] = first_.emplace(std::pair(impl, version), seen_.size());
    same_.push_back(is_new ? -1 : static_cast<int64_t>(first->second));
    seen_.emplace_back(output.getIntrusivePtr());
  }

 private:
  std::vector<int64_t>& same_;
  std::map<std::pair<const c10::TensorImpl*, int64_t>, size_t> first_;
  // They keep the addresses from being used again, and not the values.
  std::vector<c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>> seen_;
};

// One run of a hook given from outside.
struct Listener {
  repsim_hook hook;
  void* context;
  repsim::AxisTracker* tracker = nullptr;
  Identities* identities = nullptr;
  bool stopped = false;

  at::Tensor operator()(int64_t layer, const at::Tensor& output) {
    if (tracker) tracker->note(output);
    if (identities) identities->add(output);
    void* replacement = nullptr;
    switch (hook(context, layer, const_cast<at::Tensor*>(&output), &replacement)) {
      case REPSIM_REPLACE: {
        std::unique_ptr<at::Tensor> owned(static_cast<at::Tensor*>(replacement));
        return *owned;
      }
      case REPSIM_STOP: stopped = true; throw std::runtime_error("stopped by the hook");
      default: return output;
    }
  }
};

bool overwrites_input(const repsim_model& model) {
  const auto& graph = *model.function->graph();
  return std::any_of(model.fed.begin(), model.fed.end(), [&](const repsim::Feed& feed) {
    return feed.place < graph.inputs().size() && repsim::writes_into(graph, graph.inputs()[feed.place]);
  });
}

// The place of the flag among the arguments of `forward`; 0 where there is none.
size_t features_flag(const repsim_model& model) {
  const auto& all = repsim::forward_schema(model).arguments();
  for (size_t place = 1; place < all.size(); place++)
    if (all[place].name() == kFeaturesFlag)
      return all[place].type()->kind() == c10::TypeKind::BoolType ? place : 0;
  return 0;
}

// Runs the function; returns false if the hook stopped it. The interpreter wraps what a hook
// throws into an exception of its own, so the listener tells.
bool call(GraphFunction& function, Stack stack, Listener listener, IValue* result) {
  const repsim::Hook hook = std::ref(listener);
  repsim::HookScope scope(&hook);
  try {
    function.run(stack);
  } catch (...) {
    if (listener.stopped) return false;
    throw;
  }
  *result = stack.at(0);
  return true;
}

// The tensor that counts as the output, element `output` where that is not −1, if it is one.
std::optional<at::Tensor> output_of(int64_t output, IValue result) {
  if (output >= 0) {
    const auto index = static_cast<size_t>(output);
    std::vector<IValue> elements;
    if (result.isTuple()) elements = result.toTupleRef().elements().vec();
    if (result.isList()) elements = result.toListRef().vec();
    if (index >= elements.size()) return std::nullopt;
    result = elements[index];
  }
  if (!result.isTensor()) return std::nullopt;
  return result.toTensor();
}

// Freezes the module, lets libtorch fold batch norms, and runs the graph that results.
std::string optimize(repsim_model& model) {
  try {
    // What it changes stays an attribute: freezing does not see writes into what a list or dictionary holds.
    Module frozen = freeze_module(model.module, model.written);
    auto graph = toGraphFunction(frozen.get_method("forward").function()).graph();
    OptimizeFrozenGraph(graph, /*optimize_numerics=*/true);
    repsim::weights_to_channels_last(graph->block());
    model.function = make_function(graph);
    model.module = frozen;
    return "";
  } catch (const c10::Error& e) {
    return e.what_without_backtrace();
  } catch (const std::exception& e) {
    return e.what();
  }
}

// Why a cut was refused, in the words of the graph before it was frozen: there every layer's output
// still has its name.
std::string why_refused(const repsim_model& model, const repsim::CutRequest& request,
                        const std::string& otherwise) {
  const auto cut = repsim::cut_behind(*model.tapped, request);
  return cut.graph ? otherwise : cut.refusal;
}

// Whether a view of what a convolution gives has no answer in the layout that its weights lead to.
bool views_fail(repsim_model& model, const std::vector<at::Tensor>& trial) {
  torch::NoGradGuard no_grad;
  const auto keep = [](void*, int64_t, void*, void**) -> int { return REPSIM_KEEP; };
  const repsim::State before(model.module);
  IValue result;
  bool failed = false;
  try {
    call(*model.function, repsim::arguments(model, trial), {keep, nullptr}, &result);
  } catch (const std::exception& e) {
    failed = std::strstr(e.what(), "view size is not compatible") != nullptr;
  }
  before.restore();
  return failed;
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

std::vector<std::string> judged(const repsim_bytes& bytes, const char* names) {
  caffe2::serialize::PyTorchStreamReader reader(std::make_shared<repsim::Bytes>(bytes));
  std::istringstream lines(names);
  std::vector<std::string> named;
  for (std::string line; std::getline(lines, line);) named.push_back(line);
  return repsim::judge(reader, named);
}

Module loaded(const repsim_bytes& bytes) {
  const std::shared_ptr<caffe2::serialize::ReadAdapterInterface> adapter =
      std::make_shared<repsim::Bytes>(bytes);
  auto module = torch::jit::load(adapter, at::kCPU, /*load_debug_files=*/false);
  module.eval();
  for (auto parameter : module.parameters()) parameter.set_requires_grad(false);
  return module;
}

// Warnings of libtorch's own go nowhere: what matters of a run is said by the caller.
const bool kSilent = (FLAGS_caffe2_log_level = 3, true);

}  // namespace

extern "C" {

void repsim_free(char* text) { std::free(text); }

char* repsim_records(const repsim_bytes* bytes, char** error) {
  return guarded<char*>(error, nullptr, [&] {
    caffe2::serialize::PyTorchStreamReader reader(std::make_shared<repsim::Bytes>(*bytes));
    std::string text;
    for (const auto& name : reader.getAllRecords())
      text += std::to_string(reader.getRecordOffset(name)) + " " +
              std::to_string(reader.getRecordSize(name)) + " " + name + "\n";
    return copy_text(text);
  });
}

repsim_model* repsim_load(const repsim_bytes* bytes, const char* names, int trust, char** refused,
                          char** error) {
  return guarded<repsim_model*>(error, nullptr, [&]() -> repsim_model* {
    repsim::print_to_standard_error();
    auto untrusted = judged(*bytes, names);
    *refused = copy_text(join(untrusted));
    if (!untrusted.empty() && !trust) return nullptr;
    auto model = std::make_unique<repsim_model>();
    model->module = loaded(*bytes);
    for (const auto& name : repsim::judge(model->module))
      if (!std::count(untrusted.begin(), untrusted.end(), name)) untrusted.push_back(name);
    std::free(*refused);
    *refused = copy_text(join(untrusted));
    if (!untrusted.empty() && !trust) return nullptr;
    auto& forward = toGraphFunction(model->module.get_method("forward").function());
    forward.ensure_defined();
    model->tapped = forward.graph();
    repsim::join_forks(model->tapped);
    repsim::Tapper tapper(*model->tapped, model->module);
    tapper.run();
    repsim::hold_states(model->tapped->block());
    repsim::place_devices(model->tapped->block(), at::kCPU);
    model->tapped->lint();
    model->layers = std::move(tapper.layers);
    model->owners = std::move(tapper.owners);
    for (const auto& [name, other] : tapper.merged) model->merged.push_back(name + "\t" + other);
    model->flat = tapper.flat;
    model->output_type = forward.getSchema().returns().at(0).type()->annotation_str();
    return model.release();
  });
}

void repsim_drop(repsim_model* model) { delete model; }

size_t repsim_layer_count(const repsim_model* model) { return model->layers.size(); }

const char* repsim_layer_text(const repsim_model* model, size_t layer, int field) {
  const auto& it = model->layers.at(layer);
  switch (field) {
    case REPSIM_PATH: return it.path.c_str();
    case REPSIM_TYPE: return it.type.c_str();
    default: return it.result.c_str();
  }
}

int64_t repsim_layer_parameters(const repsim_model* model, size_t layer) {
  return model->layers.at(layer).parameters;
}

int repsim_layer_gives_tensor(const repsim_model* model, size_t layer) {
  return model->layers.at(layer).gives_tensor;
}

int repsim_layer_is_placed(const repsim_model* model, size_t layer) {
  return model->layers.at(layer).is_placed;
}

char* repsim_merged(const repsim_model* model) { return copy_text(join(model->merged)); }

int repsim_layer_dependence(const repsim_model* model, size_t layer) {
  const auto& layers = model->dependence.layers;
  return layer < layers.size() ? layers[layer] : 0;
}

int repsim_output_dependence(const repsim_model* model) { return model->dependence.output; }

char* repsim_written(const repsim_model* model) { return copy_text(join(model->written)); }

void repsim_keep_state(repsim_model* model) { model->keep_state = true; }

char* repsim_causes(const repsim_model* model) {
  std::string text;
  for (const auto& cause : model->dependence.causes)
    text += std::to_string(cause.kind) + "\t" + cause.operation + "\t" + cause.module + "\n";
  return copy_text(text);
}

int64_t repsim_same_tensor(const repsim_model* model, size_t call) {
  return call < model->same.size() ? model->same[call] : -1;
}

int repsim_ends_in_sigmoid(const repsim_model* model) {
  const auto& found = model->sigmoids;
  if (model->output < 0) return found.size() == 1 && found[0];
  return static_cast<size_t>(model->output) < found.size() && found[model->output];
}

int repsim_is_flat(const repsim_model* model) { return model->flat; }

int repsim_has_features_flag(const repsim_model* model) { return features_flag(*model) > 0; }

void repsim_set_features_flag(repsim_model* model) {
  if (const auto place = features_flag(*model)) model->fixed[place] = true;
}

const char* repsim_output_type(const repsim_model* model) { return model->output_type.c_str(); }

void repsim_set_output(repsim_model* model, int64_t index) { model->output = index; }

int repsim_return_part(repsim_model* model, const char* key, char** error) {
  return guarded(error, 1, [&] {
    repsim::return_part(*model->tapped, key);
    model->output_type = model->tapped->outputs().at(0)->type()->annotation_str();
    return 0;
  });
}

char* repsim_parameters(const repsim_model* model, char** error) {
  return guarded<char*>(error, nullptr, [&] {
    std::string names;
    for (const auto& parameter : model->module.named_parameters()) names += parameter.name + "\n";
    return copy_text(names);
  });
}

int repsim_redraw(repsim_model* model, const char* name, uint64_t seed, char** error) {
  return guarded(error, 1, [&] {
    torch::NoGradGuard no_grad;
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    for (const auto& parameter : model->module.named_parameters()) {
      if (parameter.name != name) continue;
      auto value = parameter.value;
      const auto mean = value.mean();
      auto deviation = value.numel() > 1 ? value.std() : value.abs().sum();
      const bool is_constant = value.numel() > 1 && (value == value.flatten()[0]).all().item<bool>();
      if (is_constant && value.dim() > 1) {
        const auto fan_in = static_cast<double>(value.numel() / value.size(0));
        deviation = at::full_like(mean, 1.0 / std::sqrt(fan_in));
      }
      if (is_constant && value.dim() < 2) return 0;
      value.copy_(mean + at::randn(value.sizes(), generator, value.options()) * deviation);
      return 0;
    }
    throw std::runtime_error(std::string("no parameter ") + name);
  });
}

int64_t repsim_tap_last_linear(repsim_model* model, char** error) {
  return guarded<int64_t>(error, -2, [&]() -> int64_t {
    const auto layer = static_cast<int64_t>(model->layers.size());
    auto found = repsim::tap_last_linear(*model->tapped, layer);
    if (!found) return -1;
    model->tapped->lint();
    model->layers.push_back(std::move(*found));
    return layer;
  });
}

int repsim_probe(repsim_model* model, const void* const* inputs, size_t count, int follow,
                 repsim_hook hook, void* context, char** error) {
  return guarded(error, 1, [&] {
    torch::NoGradGuard no_grad;
    const auto function = make_function(model->tapped->copy());
    IValue result;
    const auto copies = repsim::tensors(inputs, count, /*copied=*/true);
    const auto given = repsim::arguments(*model, copies);
    std::optional<repsim::AxisTracker> tracker;
    std::optional<repsim::SigmoidTracker> sigmoids;
    std::optional<Identities> identities;
    if (follow) {
      model->dependence =
          repsim::find_dependence(*model->tapped, given, model->owners, model->layers);
      model->apart = repsim::keeps_samples_apart(*model->tapped, given);
      tracker.emplace(copies);
      sigmoids.emplace();
      identities.emplace(model->same);
    }
    const Listener listener{hook, context, tracker ? &*tracker : nullptr,
                            identities ? &*identities : nullptr};
    const repsim::State before(model->module);
    const bool finished = call(*function, given, listener, &result);
    if (tracker) model->probed = tracker->axes();
    for (const auto& name : before.changed())
      if (!std::count(model->written.begin(), model->written.end(), name)) model->written.push_back(name);
    before.restore();
    if (!model->written.empty()) model->state = repsim::State(model->module);
    if (finished && sigmoids) model->sigmoids = sigmoids->endings(result);
    for (const auto& copy : copies) model->overwrites_input |= copy._version() > 0;
    return finished ? 0 : 2;
  });
}

void repsim_probed_axes(const repsim_model* model, size_t call, int64_t axes[3]) {
  const auto found = call < model->probed.size() ? model->probed[call] : repsim::Axes{-1, -1, -1};
  axes[0] = found.samples;
  axes[1] = found.channels;
  axes[2] = found.class_tokens;
}

int repsim_keeps_samples_apart(const repsim_model* model) { return model->apart; }

int repsim_prepare(repsim_model* model, const int64_t* layers, size_t count, int want_optimize,
                   const char* device, const void* const* trial, size_t tensors, char** note,
                   char** error) {
  return guarded(error, 1, [&] {
    std::vector<bool> wanted(model->layers.size(), false);
    for (size_t i = 0; i < count; i++) wanted.at(layers[i]) = true;
    repsim::name_outputs(model->tapped->block(), model->layers);
    repsim::keep_taps(model->tapped->block(), wanted);
    LowerSimpleTuples(model->tapped);
    // Trial runs leave nothing behind.
    model->state.restore();
    model->module.to(at::Device(std::string(device)));
    repsim::place_devices(model->tapped->block(), at::Device(std::string(device)));
    const Module loaded = model->module;
    auto why_not = want_optimize ? optimize(*model) : std::string();
    if (why_not.empty() && want_optimize && tensors > 0 &&
        views_fail(*model, repsim::tensors(trial, tensors, /*copied=*/true))) {
      model->module = loaded;
      model->function = nullptr;
      why_not = "its code views activations in the plain memory layout";
    }
    if (!why_not.empty()) *note = copy_text(why_not);
    if (!model->function) model->function = make_function(model->tapped);
    const bool kept = model->written.empty() || model->keep_state;
    model->state = kept ? repsim::State() : repsim::State(model->module);
    model->overwrites_input |= overwrites_input(*model);
    return 0;
  });
}

int repsim_run(repsim_model* model, const void* const* inputs, size_t count, int gradients,
               repsim_hook hook, void* context, void** output, char** error) {
  *output = nullptr;
  return guarded(error, 1, [&] {
    torch::AutoGradMode mode(gradients != 0);
    IValue result;
    const auto given = repsim::tensors(inputs, count, model->overwrites_input);
    std::vector<int64_t> versions;
    for (const auto& tensor : given) versions.push_back(tensor._version());
    model->state.restore();
    const auto whole = model->function ? nullptr : make_function(model->tapped->copy());
    auto& function = whole ? *whole : *model->function;
    if (!call(function, repsim::arguments(*model, given), {hook, context}, &result)) return 2;
    for (size_t i = 0; i < given.size() && !model->overwrites_input; i++)
      TORCH_CHECK(given[i]._version() == versions[i], "the model changed its input in place");
    if (auto tensor = output_of(model->output, result)) *output = new at::Tensor(*tensor);
    return 0;
  });
}

char* repsim_returned(repsim_model* model, const void* const* inputs, size_t count, char** error) {
  return guarded<char*>(error, nullptr, [&] {
    torch::NoGradGuard no_grad;
    const auto keep = [](void*, int64_t, void*, void**) -> int { return REPSIM_KEEP; };
    const auto function = make_function(model->tapped->copy());
    const auto given = repsim::arguments(*model, repsim::tensors(inputs, count, /*copied=*/true));
    IValue result;
    call(*function, given, {keep, nullptr}, &result);
    return copy_text(repsim::described(result));
  });
}

repsim_tail* repsim_cut(const repsim_model* model, int64_t layer, int64_t call,
                        const int64_t* calls, size_t count, int64_t samples, int same_type,
                        char** refusal, char** error) {
  return guarded<repsim_tail*>(error, nullptr, [&]() -> repsim_tail* {
    if (!model->written.empty()) {
      *refusal = copy_text("cannot be cut behind: the model changes " + model->written[0] + " as it runs");
      return nullptr;
    }
    const auto fed = repsim::fed_places(*model);
    const repsim::CutRequest request{layer, call, {calls, calls + count}, model->output, fed, samples,
                                     same_type != 0};
    auto graph = model->function->graph();
    auto cut = repsim::cut_behind(*graph, request);
    if (!cut.graph) {
      *refusal = copy_text(why_refused(*model, request, cut.refusal));
      return nullptr;
    }
    auto tail = std::make_unique<repsim_tail>();
    tail->arguments = repsim::arguments_of_every_run(*model);
    tail->channels_last = repsim::has_channels_last_weights(cut.graph->block());
    tail->function = make_function(cut.graph);
    tail->output = cut.output;
    tail->first_calls = std::move(cut.first_calls);
    return tail.release();
  });
}

void repsim_drop_tail(repsim_tail* tail) { delete tail; }

int64_t repsim_tail_first_call(const repsim_tail* tail, size_t layer) {
  return layer < tail->first_calls.size() ? tail->first_calls[layer] : 0;
}

int repsim_tail_is_channels_last(const repsim_tail* tail) { return tail->channels_last; }

int repsim_run_tail(repsim_tail* tail, const void* activation, int gradients, repsim_hook hook,
                    void* context, void** output, char** error) {
  *output = nullptr;
  return guarded(error, 1, [&] {
    torch::AutoGradMode mode(gradients != 0);
    IValue result;
    Stack stack = tail->arguments;
    stack.insert(stack.begin() + 1, *static_cast<const at::Tensor*>(activation));
    if (!call(*tail->function, std::move(stack), {hook, context}, &result)) return 2;
    if (auto tensor = output_of(tail->output, result)) *output = new at::Tensor(*tensor);
    return 0;
  });
}

}  // extern "C"
