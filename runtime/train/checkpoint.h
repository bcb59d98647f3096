// Training runs in files: the parameters under the names of a layout, and what a Trainer needs besides to go on.
#pragma once

#include <string>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/runtime/train/trainer.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Writes the run as it stands, at the end of an epoch or amid one, into a safetensors file: the parameters as
/// export_weights does, and under names that begin with "tapeloom." the optimizer's moments, the trainer's second set
/// of parameters and the history; the rest is in the metadata. Throws BindError for a layout that leaves parameters
/// out, DataError if the file cannot be written.
template <class T>
TAPELOOM_API void save_checkpoint(const std::string& path, const Trainer<T>& trainer, const TensorLayout& layout = {});

/// Goes on where the saved run stood: a run that is saved and loaded ends with the same bits as one that is not, if
/// program, data, options and the kind of machine are the same. Throws DataError for a file that is damaged, no
/// checkpoint, of another version, or saved in float and loaded in double or the other way round; BindError as
/// Trainer::restore and import_weights do. Then, and where memory runs out, nothing is changed.
template <class T>
TAPELOOM_API void load_checkpoint(const std::string& path, Trainer<T>& trainer, const TensorLayout& layout = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
