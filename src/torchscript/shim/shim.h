// C interface over torch::jit: load an archive, find its layers, run it with a hook at chosen
// layers. Every function that can fail takes `char** error`; on failure it returns null or
// nonzero and leaves a message there, to be freed with repsim_free. Nothing throws.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {

typedef struct repsim_model repsim_model;
typedef struct repsim_tail repsim_tail;
typedef struct repsim_rows repsim_rows;
typedef struct repsim_fields repsim_fields;

// What a hook asks for at a layer: go on with the tensor, go on with another, stop the run.
enum { REPSIM_KEEP = 0, REPSIM_REPLACE = 1, REPSIM_STOP = 2 };

// Called at each tapped layer with its identifier and its output, a borrowed at::Tensor*. With
// REPSIM_REPLACE the hook leaves a new at::Tensor* in `replacement`, which then belongs to the shim.
typedef int (*repsim_hook)(void* context, int64_t layer, void* output, void** replacement);

// What a text field of a layer holds.
enum { REPSIM_PATH = 0, REPSIM_TYPE = 1, REPSIM_RESULT = 2 };

void repsim_free(char* text);

// An archive of `size` bytes. `read` puts `count` of them, from `position` on, into `buffer`, and returns how
// many: fewer where they cannot be read.
typedef struct repsim_bytes {
  void* context;
  uint64_t size;
  size_t (*read)(void* context, uint64_t position, void* buffer, size_t count);
} repsim_bytes;

// The records that libtorch finds in an archive, a line each: where the bytes begin, how many they are when
// unpacked, and the name. To be freed by `repsim_free`; null on an error.
char* repsim_records(const repsim_bytes* bytes, char** error);

// Loads on the CPU, in evaluation mode, and puts a tap behind every layer. All code of the archive is
// compiled and judged before any of it runs. `names` are the classes and functions of Python that its pickles
// name, a line each. `refused` receives what is not known to compute only, a line each (empty: nothing);
// unless `trust`, a model with such is not loaded, and null is returned without an error.
repsim_model* repsim_load(const repsim_bytes* bytes, const char* names, int trust, char** refused,
                          char** error);
void repsim_drop(repsim_model* model);

// The layers in the order of the graph. Their identifiers are 0..count.
size_t repsim_layer_count(const repsim_model* model);
const char* repsim_layer_text(const repsim_model* model, size_t layer, int field);
int64_t repsim_layer_parameters(const repsim_model* model, size_t layer);
int repsim_layer_gives_tensor(const repsim_model* model, size_t layer);
// 1 if the number of a layer that is one of several outputs is known to be its place in the module's tuple;
// else it is that in which the archive has them.
int repsim_layer_is_placed(const repsim_model* model, size_t layer);
// Names that count as calls of another module although they may be modules of their own, a line each: the name
// and that other's, apart by a tab. To be freed by `repsim_free`.
char* repsim_merged(const repsim_model* model);

// As of the last probe: bits of what the values of a layer, or of what the model returns, depend on
// beside the sample: 1 random numbers drawn in the run, 2 the other samples of the batch.
int repsim_layer_dependence(const repsim_model* model, size_t layer);
int repsim_output_dependence(const repsim_model* model);
// The operators that bring this in, a line each: bits, operator and module, apart by tabs. Bits 0
// stand for an operator that computes a whole module, whose submodules then do not run. To be freed
// by `repsim_free`.
char* repsim_causes(const repsim_model* model);
// The dotted names of the attributes that a run of the probes changed, a line each; to be freed by
// `repsim_free`. Every run begins with what they were before, unless repsim_keep_state is called before
// the model is prepared.
char* repsim_written(const repsim_model* model);
void repsim_keep_state(repsim_model* model);
// The first call of the hook in the last probe that was given the very tensor which call `call` (from
// 0) was given, with the same values; -1 where it was the first itself.
int64_t repsim_same_tensor(const repsim_model* model, size_t call);

// 1 if what the model returned in the last probe, or the element of it that counts as the output by
// now, comes from a sigmoid or a softmax.
int repsim_ends_in_sigmoid(const repsim_model* model);

// 1 if the archive has no modules left and its layers are operator nodes.
int repsim_is_flat(const repsim_model* model);

// 1 if `forward` has a flag `return_features`, as the extractors that FID is computed with.
int repsim_has_features_flag(const repsim_model* model);
// From now on every run sets that flag.
void repsim_set_features_flag(repsim_model* model);

// The TorchScript type that `forward` returns.
const char* repsim_output_type(const repsim_model* model);
// From now on element `index` of a tuple or list that `forward` returns counts as its output.
void repsim_set_output(repsim_model* model, int64_t index);

// From now on a part of what `forward` returns counts as all of it: `logits` of a dictionary, `state.0`.
// To be called before the model is probed. Returns 0, or 1 where there is no such part: the message then
// names those that there are.
int repsim_return_part(repsim_model* model, const char* key, char** error);

// The names of all parameters, a line each; to be freed by `repsim_free`. Null on an error.
char* repsim_parameters(const repsim_model* model, char** error);

// Draws the parameter of a name anew, from a normal distribution with the mean and deviation of its
// values; of a single value, with that value's size as the deviation. Where all values are equal, one
// over the root of the fan-in is the deviation, and a tensor of one dimension stays. Returns 0 if it
// was done. To be called before the model is prepared.
int repsim_redraw(repsim_model* model, const char* name, uint64_t seed, char** error);

// Adds a layer that is the input of the last linear layer of the graph. Returns its identifier, -1
// where there is no linear layer, -2 on an error. To be called before the model is prepared.
int64_t repsim_tap_last_linear(repsim_model* model, char** error);

// What `forward` takes behind `self`, an argument a line: name, TorchScript type, and "1" where it has a
// default, apart by tabs. To be freed by `repsim_free`; null on an error.
char* repsim_arguments(const repsim_model* model, char** error);
// Says which arguments (from 1) take the tensors of a run, in their order, and how many each: more than
// one for a tuple or list of tensors. At first it is the first argument, which takes one.
int repsim_feed(repsim_model* model, const int64_t* places, const int64_t* counts, size_t count,
                char** error);
// What kind of value an argument is given in every run.
enum { REPSIM_FIX_NONE = 0, REPSIM_FIX_BOOL = 1, REPSIM_FIX_INT = 2, REPSIM_FIX_FLOAT = 3 };
int repsim_fix(repsim_model* model, int64_t place, int kind, double number, char** error);
// The embeddings of the graph whose rows can be told, a line each: rows, module, and the argument of
// `forward` whose values are looked up (0: others), apart by tabs. To be freed by `repsim_free`.
char* repsim_embeddings(const repsim_model* model, char** error);

// Runs the model as it was loaded, on the CPU, with every layer tapped. With `follow` the values are
// followed through its operators, which takes time: what the model is asked afterwards (axes, which calls
// gave one tensor, what values depend on) is of the last such run. Returns 0 if it ran.
int repsim_probe(repsim_model* model, const void* const* inputs, size_t count, int follow,
                 repsim_hook hook, void* context, char** error);

// What the probe's last run with `follow` told of the axes of the output that was the `call`-th to be handed to
// the hook, from 0: that of the samples, that of the channels, and how many tokens in front of the
// others do not come from the input. −1 where it cannot be told.
void repsim_probed_axes(const repsim_model* model, size_t call, int64_t axes[3]);

// Whether the probe's last run with `follow` had operators alone that are known to keep samples apart, draw
// nothing, write nothing and take any memory layout: then no further run is needed to see it.
int repsim_keeps_samples_apart(const repsim_model* model);

// Keeps the taps of the given layers only and makes the model ready to run on `device`
// ("cpu", "cuda:0"). With `optimize` it is frozen, batch norms are folded and convolution weights
// are laid out channels-last; `note` then says why where that was not possible, or where a run on
// the tensors of `trial`, which may be none, fails at a view for it.
int repsim_prepare(repsim_model* model, const int64_t* layers, size_t count, int optimize,
                   const char* device, const void* const* trial, size_t tensors, char** note,
                   char** error);

// Runs the prepared model, or, before it is prepared, the model as it was loaded, with every layer
// tapped. Returns 0 if it ran, 1 on an error, 2 if the hook stopped it. The inputs stay as they are: a
// model that writes into one gets copies. `output` receives a new at::Tensor* or null where the model returned
// something else. Parameters never require gradients: with `gradients` they are recorded from inputs or
// replaced tensors that do.
int repsim_run(repsim_model* model, const void* const* inputs, size_t count, int gradients,
               repsim_hook hook, void* context, void** output, char** error);

// What the model as it was loaded returns for tensors, in lines: `tensor`, `elements`, `dictionary` or `other`,
// then a name and a shape (`2×10`, or `none` for what is not a tensor) each, separated by tabs. To be freed by
// `repsim_free`; null on an error.
char* repsim_returned(repsim_model* model, const void* const* inputs, size_t count, char** error);

// Cuts the prepared model behind call `call` (from 1) of a layer: what is left to run, with the
// layer's output for an input. `calls` says how often each of the `count` layers runs in a forward
// pass (0: unknown). Null without an error where that is impossible; `refusal` then says why, as the
// end of a sentence that begins with the layer. The tail may outlive the model.
repsim_tail* repsim_cut(const repsim_model* model, int64_t layer, int64_t call,
                        const int64_t* calls, size_t count, int64_t samples, int same_type,
                        char** refusal, char** error);
void repsim_drop_tail(repsim_tail* tail);

// The number of the call of a layer that its first tap in the tail is; 0 where the tail holds none,
// or where it cannot be told.
int64_t repsim_tail_first_call(const repsim_tail* tail, size_t layer);
// 1 if the tail holds convolutions with weights laid out channels-last.
int repsim_tail_is_channels_last(const repsim_tail* tail);

// Runs a tail; as repsim_run.
int repsim_run_tail(repsim_tail* tail, const void* activation, int gradients, repsim_hook hook,
                    void* context, void** output, char** error);

// Rows of `width` float32 numbers each, in the memory of those that are not zero.
repsim_rows* repsim_rows_new(int64_t width);
void repsim_drop_rows(repsim_rows* rows);
uint64_t repsim_rows_bytes(const repsim_rows* rows);
// Appends rows × width numbers that lie row by row on the CPU. Returns 0 if that was done.
int repsim_rows_push(repsim_rows* rows, const void* tensor, char** error);
// Columns from `start` on, a multiple of 4,096, of the first rows, less `centre` (1 × columns), into `out`:
// slices × rows × 4,096, or 1 × rows × columns. Returns 0 if that was done.
int repsim_rows_read(const repsim_rows* rows, int64_t start, const void* centre, const void* out,
                     char** error);
// Whether CUDA devices multiply float32 in TF32, in matrix products and convolutions alike. Once it was called,
// convolutions are computed by algorithms that give the same each time.
void repsim_set_tf32(int allowed);
// 1 if the current CUDA device computes in TF32 and bfloat16.
int repsim_has_short_floats();

// A tensor of float32 on a CUDA device, copied over pinned memory by the current stream, which is not waited for. Null
// on an error.
void* repsim_upload(const float* values, const int64_t* shape, size_t axes, int64_t device, char** error);

// Streams of a CUDA device beside the current one of this thread, the main stream: one for copies and `count` for
// models. Null on an error.
typedef struct repsim_streams repsim_streams;
repsim_streams* repsim_streams_new(int64_t device, size_t count, char** error);
void repsim_drop_streams(repsim_streams* streams);
// Lets the streams of models wait for the main one and for copies made so far, and further copies for the main one.
int repsim_fork(repsim_streams* streams, char** error);
// Lets the main stream wait for those of models.
int repsim_join(repsim_streams* streams, char** error);
// Makes a stream the current one of this thread: that of a model by its place, the main one (-1), that of copies (-2).
int repsim_use_stream(repsim_streams* streams, int64_t which, char** error);

// Follows what of `input`, N×C×H×W, the values of this thread's runs depend on, until it is dropped. Where an
// operator is not known, what comes of it is not.
repsim_fields* repsim_follow_fields(const void* input, char** error);
void repsim_drop_fields(repsim_fields* fields);
// One bound of the box of the input that each value of `output` depends on, a new at::Tensor* of its shape: 0 minus
// the first row, 1 the last row, 2 minus the first column, 3 the last column; −∞ where a value depends on
// nothing of the input, NaN where it is not known.
void* repsim_field(const repsim_fields* fields, const void* output, int bound, char** error);
// The operators so far that are not known, a line each. To be freed by `repsim_free`.
char* repsim_fields_unknown(const repsim_fields* fields);

// The version of the libtorch that runs, which may be a later patch of the one compiled against.
const char* repsim_libtorch_version();

// The file of that libtorch, as the dynamic loader found it; null where it does not say.
const char* repsim_libtorch_file();

}  // extern "C"
