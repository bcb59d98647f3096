// All of Tapeloom: the one header that programs include.
#pragma once

#include "tapeloom/version.h"

#include "tapeloom/core/dot.h"
#include "tapeloom/core/error.h"
#include "tapeloom/core/evaluate.h"
#include "tapeloom/core/loss.h"
#include "tapeloom/core/nn.h"
#include "tapeloom/core/print.h"
#include "tapeloom/core/program.h"
#include "tapeloom/core/tape.h"
#include "tapeloom/core/tensor_layout.h"
#include "tapeloom/core/value.h"

#include "tapeloom/compiler/compile.h"

#include "tapeloom/runtime/checkpoint.h"
#include "tapeloom/runtime/clip.h"
#include "tapeloom/runtime/csv.h"
#include "tapeloom/runtime/data_view.h"
#include "tapeloom/runtime/executor.h"
#include "tapeloom/runtime/fit.h"
#include "tapeloom/runtime/fit_options.h"
#include "tapeloom/runtime/idx.h"
#include "tapeloom/runtime/metrics.h"
#include "tapeloom/runtime/number_array.h"
#include "tapeloom/runtime/optimizer.h"
#include "tapeloom/runtime/safetensors.h"
#include "tapeloom/runtime/shuffle.h"
#include "tapeloom/runtime/trainer.h"
#include "tapeloom/runtime/weights.h"
