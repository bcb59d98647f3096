// All of Tapeloom: the one header that programs include.
#pragma once

#include "tapeloom/version.h"

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/base/random_number.h"

#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/core/record/print.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

#include "tapeloom/core/program/print.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/core/program/work.h"

#include "tapeloom/core/nets/activation.h"
#include "tapeloom/core/nets/attention.h"
#include "tapeloom/core/nets/batch_norm.h"
#include "tapeloom/core/nets/convolution.h"
#include "tapeloom/core/nets/dropout.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/module.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/nets/norm.h"
#include "tapeloom/core/nets/recurrent.h"
#include "tapeloom/core/nets/tensor_layout.h"

#include "tapeloom/compiler/compile.h"
#include "tapeloom/compiler/compile_products.h"
#include "tapeloom/compiler/compile_residuals.h"

#include "tapeloom/runtime/execute/data_view.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/profile.h"

#include "tapeloom/runtime/files/csv.h"
#include "tapeloom/runtime/files/number_array.h"
#include "tapeloom/runtime/files/program_file.h"
#include "tapeloom/runtime/files/safetensors.h"

#include "tapeloom/runtime/train/checkpoint.h"
#include "tapeloom/runtime/train/fit_options.h"
#include "tapeloom/runtime/train/lbfgs.h"
#include "tapeloom/runtime/train/least_squares.h"
#include "tapeloom/runtime/train/metrics.h"
#include "tapeloom/runtime/train/optimizer.h"
#include "tapeloom/runtime/train/preprocess.h"
#include "tapeloom/runtime/train/shuffle.h"
#include "tapeloom/runtime/train/solver.h"
#include "tapeloom/runtime/train/trainer.h"
#include "tapeloom/runtime/train/weights.h"
