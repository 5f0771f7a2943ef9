#pragma once

/// @file
/// The names of serpette's values and policies, for headers that only pass them on, and the groups
/// of the reference. No LibTorch.

/// @defgroup core Vocabulary: graph, masks, batches, boxes, ratios, seeds
/// @defgroup score ScoreInit: which weights matter
/// @defgroup granularity PruneGranularity: what is removed as one piece
/// @defgroup attack Attack: what the detector is hardened against
/// @defgroup color ColorMode: what the network sees of colour

namespace serpette {

/// @addtogroup core
/// @{
class Error;
class Generator;
class Ratio;
class Seed;
struct Box;
struct CocoSummary;
struct Compaction;
struct Detection;
struct Graph;
struct ImageBatch;
struct Instances;
struct Layer;
struct LayerMask;
struct LayerParameters;
struct LayerView;
struct Letterbox;
/// @}

/// @addtogroup score
/// @{
struct BatchNormGamma;
struct DeepLift;
struct DeepLiftTrained;
struct Hydra;
struct HydraUntrained;
struct Magnitude;
struct Random;
struct Snip;
struct Taylor;
/// @}

/// @addtogroup granularity
/// @{
struct Filter;
struct Kernel;
struct Weight;
/// @}

/// @addtogroup attack
/// @{
struct Fgsm;
struct NoAttack;
struct Pgd;
/// @}

/// @addtogroup color
/// @{
struct GreyscaleRec601;
struct Rgb;
/// @}

class Yolov3;

}  // namespace serpette
