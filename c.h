// Tapeloom for programs in C, and in languages that call C: loads compiled programs from files and runs them. C99 and
// C++; no part of tapeloom.h, and needs none of its headers.
//
//   tapeloom_program* program = NULL;
//   tapeloom_executor* executor = NULL;
//   tapeloom_numbers outputs;
//   if (tapeloom_program_load("net.tapeloom", NULL, &program) != TAPELOOM_OK ||
//       tapeloom_executor_create(program, TAPELOOM_FLOAT, NULL, &executor) != TAPELOOM_OK ||
//       tapeloom_executor_bind_float(executor, "x", rows, 2 * 100, 0) != TAPELOOM_OK ||  // 100 rows of 2 numbers
//       tapeloom_executor_step(executor, NULL) != TAPELOOM_OK ||
//       tapeloom_executor_outputs(executor, &outputs) != TAPELOOM_OK) {
//     fprintf(stderr, "%s\n", tapeloom_last_error());
//   }
//
// What holds for all functions:
//
// - Whatever can fail returns a tapeloom_status. No exception comes out of any of them, and an argument that is NULL
//   where that is not said to be allowed is TAPELOOM_MISUSE; arrays of 0 numbers may be NULL. A call that fails
//   changes nothing but what its description says, and its handles can be used as before. Results that are pointers to
//   handles are NULL after a failure, others are left alone.
// - What a function makes through `tapeloom_...** result` is the caller's, to be given to the matching ..._free, once;
//   that takes NULL, too. Programs, executors and optimizers may be freed in any order. Texts and arrays that functions
//   give belong to the handle they were asked of, and are never freed by the caller.
// - A program may be used by several threads at the same time, an executor or an optimizer by one at a time. Threads
//   must not be cancelled (pthread_cancel) while they are in here.
// - Texts are UTF-8 and end with a zero. Truths are int32_t, zero or not.
// - TAPELOOM_C_VERSION counts what is added here. Functions, fields and numbers that are there keep their meaning: the
//   shared object has the functions under a version of their own (TAPELOOM_C_1), and options know their size.
#ifndef TAPELOOM_C_H
#define TAPELOOM_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __GNUC__
#define TAPELOOM_C_API __attribute__((visibility("default")))
#else
#define TAPELOOM_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

// --- versions and errors ---------------------------------------------------------------------------------------------

#define TAPELOOM_C_VERSION 1

/// The TAPELOOM_C_VERSION of the library that is linked or loaded; that of the header it is to be used with is the same
/// or smaller.
TAPELOOM_C_API uint32_t tapeloom_c_version(void);
/// The version of that library, such as "0.1.0".
TAPELOOM_C_API const char* tapeloom_version(void);

/// One of the numbers below, or one that a later version has added.
typedef int32_t tapeloom_status;
enum {
  TAPELOOM_OK = 0,
  /// A mistake that only C can make: NULL, options that were not initialised, an unknown number for a choice.
  TAPELOOM_MISUSE = 1,
  /// The memory does not suffice.
  TAPELOOM_OUT_OF_MEMORY = 2,
  /// A fault of the library: an exception that it does not know.
  TAPELOOM_INTERNAL_ERROR = 3,
  // Each kind of tapeloom::Error, and errors of no kind among these. Nothing here records or compiles yet, so
  // TAPELOOM_RECORDING_ERROR, TAPELOOM_STALE_VALUE_ERROR and TAPELOOM_COMPILE_ERROR wait for functions that do.
  TAPELOOM_ERROR = 4,
  TAPELOOM_RECORDING_ERROR = 5,
  TAPELOOM_STALE_VALUE_ERROR = 6,
  TAPELOOM_COMPILE_ERROR = 7,
  /// Data, names or options that do not fit the program, and results that are not there.
  TAPELOOM_BIND_ERROR = 8,
  /// A recorded comparison came out the other way for a sample: see tapeloom_last_guard.
  TAPELOOM_GUARD_ERROR = 9,
  /// A file that cannot be read or written, and one that is damaged or asks for too much.
  TAPELOOM_DATA_ERROR = 10
};

/// The name of a status, such as "TAPELOOM_BIND_ERROR"; of a number that is none, "an unknown tapeloom_status".
TAPELOOM_C_API const char* tapeloom_status_name(tapeloom_status status);
/// What the last call of this thread that failed has to say, for people; "" before any did. It holds until this
/// thread's next failure: calls that succeed leave it alone. Options are named as C++ has them:
/// ExecutorOptions::threads is tapeloom_executor_options.threads.
TAPELOOM_C_API const char* tapeloom_last_error(void);
/// If that failure was a TAPELOOM_GUARD_ERROR, returns 1 and gives which of the program's guards it was, in recorded
/// order, and the position in the step's batch of the first sample that failed it. Otherwise returns 0 and gives
/// nothing. Either pointer may be NULL.
TAPELOOM_C_API int32_t tapeloom_last_guard(size_t* guard, size_t* sample);

// --- options ---------------------------------------------------------------------------------------------------------
// Each struct of options is filled with defaults by its ..._init(&options, sizeof options), and then changed. Functions
// take NULL for the defaults. Any other `size` than that init was given, or a field that the library is too old to
// know set to something, is TAPELOOM_MISUSE.

/// What a program from a file may ask for at most: see LoadOptions of runtime/files/program_file.h.
typedef struct tapeloom_load_options {
  size_t size;
  size_t max_samples;       ///< of a step that the limits are about; 1024
  uint64_t max_operations;  ///< of a step, numbers read and written among them; 10^12
  uint64_t max_bytes;       ///< of the file, and of an executor's buffers; 4 GiB
} tapeloom_load_options;
TAPELOOM_C_API tapeloom_status tapeloom_load_options_init(tapeloom_load_options* options, size_t size);

typedef struct tapeloom_executor_options {
  size_t size;
  size_t max_samples;    ///< the most that one step may have; 1024
  size_t threads;        ///< that may work on a step, the caller among them; 0, the default: as many as the machine has
  int32_t check_finite;  ///< whether NaN and infinity are refused while binding; 0
  int32_t reserved;      ///< 0
} tapeloom_executor_options;
TAPELOOM_C_API tapeloom_status tapeloom_executor_options_init(tapeloom_executor_options* options, size_t size);

/// Stochastic gradient descent, as SgdOptions of runtime/train/optimizer.h.
typedef struct tapeloom_sgd_options {
  size_t size;
  double learning_rate;  ///< 0.01
  double momentum;       ///< 0
  double weight_decay;   ///< L2, 0
  int32_t nesterov;      ///< 0; needs a momentum
  int32_t reserved;      ///< 0
} tapeloom_sgd_options;
TAPELOOM_C_API tapeloom_status tapeloom_sgd_options_init(tapeloom_sgd_options* options, size_t size);

/// Adam, as AdamOptions of runtime/train/optimizer.h.
typedef struct tapeloom_adam_options {
  size_t size;
  double learning_rate;  ///< 0.001
  double beta1;          ///< 0.9
  double beta2;          ///< 0.999
  double epsilon;        ///< 1e-8
  double weight_decay;   ///< 0
  int32_t l2;            ///< whether the decay is added to the gradient, rather than decoupled (AdamW); 0
  int32_t reserved;      ///< 0
} tapeloom_adam_options;
TAPELOOM_C_API tapeloom_status tapeloom_adam_options_init(tapeloom_adam_options* options, size_t size);

// --- programs --------------------------------------------------------------------------------------------------------

/// A compiled program: immutable, but for its being freed.
typedef struct tapeloom_program tapeloom_program;

/// Reads what tapeloom::save_program, or one of the functions here, has written. TAPELOOM_DATA_ERROR for a file that
/// cannot be read, is no program, of another version of the format or damaged, asks for more than the options allow, or
/// has names with a zero in them.
TAPELOOM_C_API tapeloom_status tapeloom_program_load(const char* path, const tapeloom_load_options* options,
                                                     tapeloom_program** program);
/// The same from the bytes of such a file, which are not needed afterwards.
TAPELOOM_C_API tapeloom_status tapeloom_program_load_memory(const void* bytes, size_t count,
                                                            const tapeloom_load_options* options,
                                                            tapeloom_program** program);
/// Writes it again, with the parameters it was loaded with; tapeloom_executor_save_program writes trained ones. An
/// existing file is replaced whole or, after TAPELOOM_DATA_ERROR, still there.
TAPELOOM_C_API tapeloom_status tapeloom_program_save(const tapeloom_program* program, const char* path);
TAPELOOM_C_API void tapeloom_program_free(tapeloom_program* program);

typedef struct tapeloom_program_info {
  size_t parameters;        ///< trained numbers, frozen ones among them
  size_t input_groups;      ///< groups of numbers bound for each sample
  size_t inputs;            ///< numbers of a sample in all of these groups
  size_t uniform_inputs;    ///< numbers that are set for a whole step
  size_t outputs;           ///< of each sample; 0: there are no outputs
  size_t guards;            ///< recorded comparisons that every sample has to repeat
  size_t recorded_samples;  ///< samples that are in the program, so that nothing is bound; 0: samples are bound
  int32_t has_loss;
  int32_t has_gradients;
  int32_t has_input_gradients;
  int32_t exact;  ///< runs in TAPELOOM_DOUBLE alone
} tapeloom_program_info;
/// `size` is sizeof *info.
TAPELOOM_C_API tapeloom_status tapeloom_program_get_info(const tapeloom_program* program, tapeloom_program_info* info,
                                                         size_t size);

// Of one of the above, counted from 0 in recorded order: TAPELOOM_BIND_ERROR for one that is not there. Pointers to
// results that are not wanted may be NULL. Names, "" for none, belong to the program.

/// `count` numbers a sample, that begin with number `first` of a row of all inputs. An unused group need not be bound.
TAPELOOM_C_API tapeloom_status tapeloom_program_input_group(const tapeloom_program* program, size_t index,
                                                            const char** name, size_t* first, size_t* count,
                                                            int32_t* used);
/// With the number it has until another is set.
TAPELOOM_C_API tapeloom_status tapeloom_program_uniform_input(const tapeloom_program* program, size_t index,
                                                              const char** name, double* initial);
/// An output that is not varying is the same for all samples of a step.
TAPELOOM_C_API tapeloom_status tapeloom_program_output(const tapeloom_program* program, size_t index, const char** name,
                                                       int32_t* varying);
/// With the number that executors begin with, and whether it was frozen when the program was compiled.
TAPELOOM_C_API tapeloom_status tapeloom_program_parameter(const tapeloom_program* program, size_t index,
                                                          const char** name, double* initial, int32_t* frozen);
/// A table of what the program does, for people. The text belongs to the program.
TAPELOOM_C_API tapeloom_status tapeloom_program_explain(const tapeloom_program* program, const char** text);

// --- executors -------------------------------------------------------------------------------------------------------

/// What an executor computes with.
typedef int32_t tapeloom_number_type;
enum { TAPELOOM_FLOAT = 1, TAPELOOM_DOUBLE = 2 };

/// Numbers of an executor: `as_float` of one in TAPELOOM_FLOAT, `as_double` of one in TAPELOOM_DOUBLE. The other is
/// NULL, and both may be if `count` is 0.
typedef struct tapeloom_numbers {
  const float* as_float;
  const double* as_double;
  size_t count;
} tapeloom_numbers;
/// The same, to be written.
typedef struct tapeloom_writable_numbers {
  float* as_float;
  double* as_double;
  size_t count;
} tapeloom_writable_numbers;

/// Runs a program, step by step: outputs, loss and gradients over a batch of the bound rows. It has parameters of its
/// own. A step allocates nothing.
typedef struct tapeloom_executor tapeloom_executor;

/// TAPELOOM_BIND_ERROR for max_samples of 0, or of more than there is memory for, and for an exact program in
/// TAPELOOM_FLOAT.
TAPELOOM_C_API tapeloom_status tapeloom_executor_create(const tapeloom_program* program, tapeloom_number_type type,
                                                        const tapeloom_executor_options* options,
                                                        tapeloom_executor** executor);
/// Of the same type as another executor, whose parameters it shares: what trains one is seen by the other, as where one
/// program trains and another, from the same recording, predicts. TAPELOOM_BIND_ERROR besides for a program with more
/// parameters, or with parameters of other names.
TAPELOOM_C_API tapeloom_status tapeloom_executor_create_sharing(const tapeloom_program* program,
                                                                const tapeloom_executor* parameters_of,
                                                                const tapeloom_executor_options* options,
                                                                tapeloom_executor** executor);
TAPELOOM_C_API void tapeloom_executor_free(tapeloom_executor* executor);
TAPELOOM_C_API tapeloom_status tapeloom_executor_type(const tapeloom_executor* executor, tapeloom_number_type* type);

/// Binds rows, one a sample: of the input group of that name or, with `group` NULL, of all groups side by side. There
/// are `count` numbers in all, not rows. Rows lie `row_stride` numbers apart; 0: one behind another. Numbers are read
/// in place, whatever their type, so they must stay where they are until others are bound or the executor is freed.
/// TAPELOOM_BIND_ERROR for an unknown name, for numbers that are no whole number of rows, and, with `group` NULL and
/// `row_stride` 0, for a program that does not use all groups: rows of those it uses could be taken for rows of all.
TAPELOOM_C_API tapeloom_status tapeloom_executor_bind_float(tapeloom_executor* executor, const char* group,
                                                            const float* numbers, size_t count, size_t row_stride);
TAPELOOM_C_API tapeloom_status tapeloom_executor_bind_double(tapeloom_executor* executor, const char* group,
                                                             const double* numbers, size_t count, size_t row_stride);
/// How many rows every used group has. TAPELOOM_BIND_ERROR if their numbers differ, or one is not bound. A program that
/// uses no inputs has one.
TAPELOOM_C_API tapeloom_status tapeloom_executor_bound_rows(const tapeloom_executor* executor, size_t* rows);
/// From the next step on. TAPELOOM_BIND_ERROR for an unknown name.
TAPELOOM_C_API tapeloom_status tapeloom_executor_set_uniform_input(tapeloom_executor* executor, const char* name,
                                                                   double number);

// One step, over all bound rows; over rows first, ..., first + count - 1; or over the rows of these numbers, in this
// order, of which one may come more than once. `loss` may be NULL; a program without one gives 0. TAPELOOM_BIND_ERROR
// if a used group is not bound, and for no rows, more than max_samples or rows that are not there; TAPELOOM_GUARD_ERROR
// if a recorded branch goes the other way. Then there are no results until the next good step, and the parameters are
// what they were.

TAPELOOM_C_API tapeloom_status tapeloom_executor_step(tapeloom_executor* executor, double* loss);
TAPELOOM_C_API tapeloom_status tapeloom_executor_step_range(tapeloom_executor* executor, size_t first, size_t count,
                                                            double* loss);
TAPELOOM_C_API tapeloom_status tapeloom_executor_step_rows(tapeloom_executor* executor, const uint32_t* rows,
                                                           size_t count, double* loss);

// Results of the last step, which hold until the next one or until the executor is freed. TAPELOOM_BIND_ERROR if it
// failed or there was none yet, and if the program was not compiled for them.

TAPELOOM_C_API tapeloom_status tapeloom_executor_loss(const tapeloom_executor* executor, double* loss);
/// samples x outputs, a row a sample.
TAPELOOM_C_API tapeloom_status tapeloom_executor_outputs(const tapeloom_executor* executor, tapeloom_numbers* outputs);
/// The derivative of the loss by each parameter; 0 by frozen ones.
TAPELOOM_C_API tapeloom_status tapeloom_executor_gradients(const tapeloom_executor* executor,
                                                           tapeloom_numbers* gradients);
/// samples x inputs, a row a sample.
TAPELOOM_C_API tapeloom_status tapeloom_executor_input_gradients(const tapeloom_executor* executor,
                                                                 tapeloom_numbers* gradients);

// The parameters as they are now. The memory is the same until all executors that share them are freed.

TAPELOOM_C_API tapeloom_status tapeloom_executor_parameters(const tapeloom_executor* executor,
                                                            tapeloom_numbers* parameters);
TAPELOOM_C_API tapeloom_status tapeloom_executor_writable_parameters(tapeloom_executor* executor,
                                                                     tapeloom_writable_numbers* parameters);
/// Excludes the parameters of these numbers from training (or includes them again): their gradients are 0 from now on,
/// and optimizers leave them alone. TAPELOOM_BIND_ERROR for one that is not there or that the program has without
/// derivatives, and for a program without gradients; then nothing is changed.
TAPELOOM_C_API tapeloom_status tapeloom_executor_set_frozen(tapeloom_executor* executor, const uint32_t* parameters,
                                                            size_t count, int32_t frozen);

/// Writes the program with the parameters as they are now, to be loaded again: as tapeloom_program_save.
TAPELOOM_C_API tapeloom_status tapeloom_executor_save_program(const tapeloom_executor* executor, const char* path);
/// Reads parameters from a file of safetensors, such as PyTorch's, into those of the same names, and writes them into
/// one: see import_weights and export_weights of runtime/train/weights.h. TAPELOOM_DATA_ERROR for a file that cannot be
/// read or written, TAPELOOM_BIND_ERROR for tensors that are missing or of another shape; then nothing is changed.
TAPELOOM_C_API tapeloom_status tapeloom_executor_load_weights(tapeloom_executor* executor, const char* path);
TAPELOOM_C_API tapeloom_status tapeloom_executor_save_weights(const tapeloom_executor* executor, const char* path);

// --- training --------------------------------------------------------------------------------------------------------

/// Updates an executor's parameters after each step. Its memory of earlier steps begins with its first update.
typedef struct tapeloom_optimizer tapeloom_optimizer;

// For executors of that type. TAPELOOM_BIND_ERROR for rates and the like that are negative or not finite, betas
// outside [0, 1), and Nesterov without momentum.

TAPELOOM_C_API tapeloom_status tapeloom_sgd_create(tapeloom_number_type type, const tapeloom_sgd_options* options,
                                                   tapeloom_optimizer** optimizer);
TAPELOOM_C_API tapeloom_status tapeloom_adam_create(tapeloom_number_type type, const tapeloom_adam_options* options,
                                                    tapeloom_optimizer** optimizer);
TAPELOOM_C_API void tapeloom_optimizer_free(tapeloom_optimizer* optimizer);

/// Updates the executor's parameters by the gradients of its last step, with `gradients` NULL, or by others, such as
/// clipped ones, one a parameter. TAPELOOM_MISUSE for an executor or gradients of another type than the optimizer's;
/// TAPELOOM_BIND_ERROR for an executor with another number of parameters than it has been updating, without gradients,
/// or without results. Then nothing is changed.
TAPELOOM_C_API tapeloom_status tapeloom_optimizer_update(tapeloom_optimizer* optimizer, tapeloom_executor* executor,
                                                         const tapeloom_numbers* gradients);
/// From the next update on. TAPELOOM_BIND_ERROR for a rate that is negative or not finite.
TAPELOOM_C_API tapeloom_status tapeloom_optimizer_set_learning_rate(tapeloom_optimizer* optimizer, double rate);
TAPELOOM_C_API tapeloom_status tapeloom_optimizer_learning_rate(const tapeloom_optimizer* optimizer, double* rate);
/// The number of updates.
TAPELOOM_C_API tapeloom_status tapeloom_optimizer_steps(const tapeloom_optimizer* optimizer, uint64_t* steps);
/// What it remembers, to be saved: of SGD moment 0, "velocity", of Adam 0 and 1, "first_moment" and "second_moment".
/// Each has one number a parameter, or none before the first update. They hold until the next update. Pointers may be
/// NULL. TAPELOOM_BIND_ERROR for a moment that is not there.
TAPELOOM_C_API tapeloom_status tapeloom_optimizer_moment(tapeloom_optimizer* optimizer, size_t index, const char** name,
                                                         tapeloom_numbers* numbers);
/// Goes on where an optimizer of the same kind and options stood: with its steps, learning rate and `count` moments, in
/// that order. With a program that was saved by tapeloom_executor_save_program, training goes on with the same bits.
/// TAPELOOM_MISUSE for moments of another type; TAPELOOM_BIND_ERROR for another number of them, moments of different
/// lengths, and a rate that is negative or not finite. Then nothing is changed.
TAPELOOM_C_API tapeloom_status tapeloom_optimizer_restore(tapeloom_optimizer* optimizer, uint64_t steps,
                                                          double learning_rate, const tapeloom_numbers* moments,
                                                          size_t count);

#ifdef __cplusplus
}
#endif

#endif
