#pragma once

#include <cstddef>
#include <cstdint>

/// @file
/// How large an input may claim to be. Each bound is named in the message that refuses what is
/// beyond it, and stands well above what people have; none lets a file of a kilobyte cost a hundred
/// megabytes or a second.

namespace serpette::limits {

/// Of a file that is read whole; annotations of Objects365, the largest in use, have 3 GB.
inline constexpr std::size_t kFileBytes = std::size_t{4} << 30;
/// Of a pipe, which does not say beforehand how much it holds.
inline constexpr std::size_t kPipeBytes = std::size_t{1} << 30;

/// Of a picture: 16,384 × 16,384.
inline constexpr std::int64_t kImagePixels = std::int64_t{1} << 28;
/// A byte of a JPEG holds at most 8 blocks of 64 pixels (a bit is the least that a block takes); of
/// one that is beyond, most is missing. Arithmetic coding takes less, hence twice that.
inline constexpr std::int64_t kJpegPixelsPerByte = 1024;
/// Of a progressive JPEG, each of which is a pass over the picture; encoders write about ten.
inline constexpr int kJpegScans = 64;
/// Deflate makes at most this much of a byte.
inline constexpr std::int64_t kDeflateRatio = 1032;
/// WebP may say "all one colour" in a few bytes; pictures up to 2^23 pixels may, larger ones have
/// at most `kWebpPixelsPerByte`.
inline constexpr std::int64_t kWebpPlainPixels = std::int64_t{1} << 23;
inline constexpr std::int64_t kWebpPixelsPerByte = 1024;

/// Of all maps of a plan, and as many more a byte of its file: a few weights may make large maps,
/// as those of a heavily pruned network do, but not out of nothing. And of what a layer computes on
/// the way in each of a thread's buffers, or reads with padding around it, where that is in
/// proportion neither to its maps nor to its weights.
inline constexpr std::int64_t kPlanNumbers = std::int64_t{1} << 24;
inline constexpr std::int64_t kPlanNumbersPerByte = 4096;

/// Of a data set; V3Det, the largest in use, has 13,204. COCO's evaluation takes
/// 97 kB for each that has boxes.
inline constexpr std::size_t kCategories = std::size_t{1} << 14;
/// Of a table.
inline constexpr std::size_t kColumns = 4096;
/// Of a number in a study's tables; of larger ones statistics would take squares that are none.
inline constexpr double kMagnitude = 1e100;
/// Bytes of a picture's name with its folders, as Linux has it (PATH_MAX).
inline constexpr std::size_t kNameBytes = 4096;

}  // namespace serpette::limits
