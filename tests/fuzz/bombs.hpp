#pragma once

// Small files that claim to be large, one or more for each reader of the fuzz targets, and what
// they cost.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace serpette::test {

/// An input of a target, and what it claims or repeats.
struct Bomb {
  std::string_view target, claim;
  std::string bytes;
};

inline std::string times(std::size_t count, std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

inline std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

template <class Number>
std::string raw(Number value) {  // as this machine, like every reader of ours, has it
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string png_chunk(const std::string& kind, const std::string& data) {
  const auto whole = kind + data;
  const auto crc =
      crc32(0, reinterpret_cast<const Bytef*>(whole.data()), static_cast<uInt>(whole.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + whole +
         big_endian(static_cast<std::uint32_t>(crc));
}

/// RGB; what `pixels` inflates to is its filters and samples.
inline std::string png_bomb(std::uint32_t side, const std::string& pixels, bool interlaced,
                            const std::string& chunks = {}) {
  return "\x89PNG\r\n\x1a\n" +
         png_chunk("IHDR", big_endian(side) + big_endian(side) + "\x08\x02" + std::string(2, '\0') +
                               std::string(1, interlaced ? 1 : 0)) +
         chunks + png_chunk("IDAT", pixels) + png_chunk("IEND", {});
}

inline std::string deflated_zeros(std::size_t count) {
  const std::string zeros(count, '\0');
  std::string packed(compressBound(count), '\0');
  auto size = static_cast<uLongf>(packed.size());
  compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
            reinterpret_cast<const Bytef*>(zeros.data()), static_cast<uLong>(count), 9);
  packed.resize(size);
  return packed;
}

/// A frame of so many components and scans of DC coefficients that end at once.
inline std::string jpeg_bomb(char frame, std::uint16_t side, int components, int scans) {
  const std::string size{static_cast<char>(side >> 8), static_cast<char>(side)};
  std::string bytes = "\xff\xd8\xff";
  bytes += frame;
  bytes += {'\0', static_cast<char>(8 + 3 * components), '\x08'};
  bytes += size + size + static_cast<char>(components);
  for (int c = 1; c <= components; ++c) bytes += {static_cast<char>(c), '\x11', '\0'};
  // One code of one bit: no change.
  bytes += "\xff\xc4" + std::string("\x00\x14\x00\x01", 4) + std::string(16, '\0');
  for (int scan = 0; scan < scans; ++scan) {
    bytes += {'\xff', '\xda', '\0', static_cast<char>(6 + 2 * components),
              static_cast<char>(components)};
    for (int c = 1; c <= components; ++c) bytes += {static_cast<char>(c), '\0'};
    bytes += std::string(frame == '\xc2' ? "\x00\x00\x00" : "\x00\x3f\x00", 3);
  }
  return bytes + "\xff\xd9";
}

/// A WebP of one colour in lossless form: five codes of one symbol each, then no bits at all.
inline std::string webp_bomb(std::uint32_t width, std::uint32_t height, int orientation) {
  std::uint64_t bits = (width - 1) | std::uint64_t{height - 1} << 14;
  int used = 14 + 14 + 1 + 3 + 1 + 1 + 1;  // sides, alpha, version; no transform, cache, groups
  // "simple, one symbol, of one bit, 0": 1 0 0 0 as bits come.
  std::string data("\x2f");
  std::string stream;
  std::vector<int> all;
  for (int i = 0; i < used; ++i) all.push_back(static_cast<int>(bits >> i & 1));
  for (int code = 0; code < 5; ++code) all.insert(all.end(), {1, 0, 0, 0});
  while (all.size() % 8 != 0) all.push_back(0);
  for (std::size_t at = 0; at < all.size(); at += 8) {
    int byte = 0;
    for (int i = 0; i < 8; ++i) byte |= all[at + static_cast<std::size_t>(i)] << i;
    stream += static_cast<char>(byte);
  }
  data += stream;
  const auto chunk = [](const std::string& kind, std::string inside) {
    auto size = static_cast<std::uint32_t>(inside.size());
    if (size % 2 == 1) inside += '\0';
    return kind + raw(size) + inside;
  };
  std::string body = "WEBP";
  if (orientation != 1) {
    constexpr char kHasExif = 8;
    std::string canvas{kHasExif, 0, 0, 0};
    canvas += raw(width - 1).substr(0, 3) + raw(height - 1).substr(0, 3);
    body += chunk("VP8X", canvas);
  }
  body += chunk("VP8L", data);
  if (orientation != 1)
    body += chunk("EXIF", std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18) +
                              raw(static_cast<std::uint32_t>(orientation)) + raw(0));
  return chunk("RIFF", body);
}

inline std::string bmp_bomb(std::int32_t side) {
  const std::uint16_t planes = 1, depth = 24;
  return "BM" + raw(54) + raw(0) + raw(54) + raw(40) + raw(side) + raw(side) + raw(planes) +
         raw(depth) + std::string(24, '\0');
}

/// What stands behind a plan file's header: the network, no names of classes, and no convolution.
inline std::string plan_bomb(const std::string& cfg, std::uint64_t names = 0) {
  const std::string precision = "f32";
  return raw(std::uint64_t{cfg.size()}) + cfg + raw(names) + '\0' +
         raw(std::uint64_t{precision.size()}) + precision;
}

/// Each is refused or read. Those of text repeat what a reader may go through again and again.
inline std::vector<Bomb> bombs() {
  constexpr std::size_t kMany = 1 << 16;  // bytes of the texts, about
  const std::string net = "[net]\nwidth=32\nheight=32\n";
  const std::string point = "[net]\nwidth=1\nheight=1\n";
  const std::string words = times(kMany / 4, "ab,\n");
  std::string entities = "<!DOCTYPE a [<!ENTITY a0 \"ha\">";
  std::string anchors = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    anchors += {c, ':', ' ', '&', c, ' ', '['};
    for (int i = 0; i < 9; ++i) anchors += {'*', static_cast<char>(c - 1), ','};
    anchors += "]\n";
    entities += std::string("<!ENTITY ") + c + " \"" +
                times(9, std::string{'&', static_cast<char>(c - 1), ';'}) + "\">";
  }
  return {
      {"image", "PNG: 16,000 × 16,000", png_bomb(16'000, deflated_zeros(1), false)},
      {"image", "PNG: 2^31 - 1 squared", png_bomb(0x7fffffff, deflated_zeros(1), false)},
      {"image", "PNG: interlaced", png_bomb(16'000, deflated_zeros(1), true)},
      {"image", "PNG: zeros, whole", png_bomb(560, deflated_zeros(560 * 1681), false)},
      {"image", "PNG: interlaced zeros", png_bomb(560, deflated_zeros(560 * 1700), true)},
      {"image", "PNG: EXIF of 2^31 - 1 bytes",
       png_bomb(8, deflated_zeros(200), false, big_endian(0x7fffffff) + "eXIf")},
      {"image", "PNG: a profile that inflates",
       png_bomb(8, deflated_zeros(200), false,
                png_chunk("iCCP", std::string("a\0\0", 3) + deflated_zeros(1 << 20)))},
      {"image", "JPEG: 65,535 × 65,535", jpeg_bomb('\xc0', 65'535, 1, 1)},
      {"image", "JPEG: 16,000 × 16,000 progressive", jpeg_bomb('\xc2', 16'000, 3, 1)},
      {"image", "JPEG: as large as it may be", jpeg_bomb('\xc0', 256, 3, 1)},
      {"image", "JPEG: 50 scans", jpeg_bomb('\xc2', 840, 3, 50)},
      {"image", "JPEG: 100 scans", jpeg_bomb('\xc2', 1100, 3, 100)},
      {"image", "WebP: 16,383 × 16,383", webp_bomb(16'383, 16'383, 1)},
      {"image", "WebP: 2^23 pixels, whole", webp_bomb(4096, 2048, 1)},
      {"image", "WebP: 2^23 pixels, turned", webp_bomb(4096, 2048, 6)},
      {"image", "BMP: 16,000 × 16,000", bmp_bomb(16'000)},
      {"image", "BMP: 2^31 - 1 squared", bmp_bomb(0x7fffffff)},
      {"cfg", "image of 2^30 numbers",
       "[net]\nwidth=32768\nheight=32768\n[maxpool]\nsize=1024\nstride=1\n"},
      {"cfg", "filters of 2^60 weights",
       point + times(60, "[convolutional]\nfilters=1048576\nbatch_normalize=1\n")},
      {"cfg", "upsampled for ever", point + times(100, "[upsample]\nstride=1024\n")},
      {"cfg", "routes that double", point + times(100, "[route]\nlayers=-1,-1\n")},
      {"cfg", "shortcuts of shortcuts", net + times(kMany / 18, "[shortcut]\nfrom=0\n")},
      {"cfg", "layers", net + times(kMany / 16, "[convolutional]\n")},
      {"cfg", "heads",
       net + times(kMany / 90,
                   "[convolutional]\nfilters=6\n[yolo]\nclasses=1\nanchors=1,1\n[route]\n"
                   "layers=0\n")},
      {"cfg", "classes",
       point + "[convolutional]\nfilters=1048575\nactivation=linear\n[yolo]\n"
               "classes=1048570\nanchors=1,1\nmask=0\n"},
      {"cfg", "a route of everything",
       net + "[convolutional]\n[route]\nlayers=" + times(kMany / 2, "0,") + "0\n"},
      {"cfg", "anchors", net + "[yolo]\nanchors=" + times(kMany / 2, "1,") + "1\n"},
      {"cfg", "keys of [net]", net + times(kMany / 4, "a=1\n")},
      {"weights", "zeros", std::string(kMany, '\0')},
      {"weights", "as many as there are", std::string(20, '\xff')},
      {"coco_json", "nested lists", times(kMany, "[")},
      {"coco_json", "nested objects", times(kMany / 5, "{\"a\":")},
      {"coco_json", "nested pictures", "{\"images\":" + times(kMany, "[")},
      {"coco_json", "commas", "{\"images\":[" + times(kMany, ",")},
      {"coco_json", "escapes",
       "{\"images\":[{\"id\":1,\"file_name\":\"" + times(kMany / 6, "\\u0041") + "\"}]}"},
      {"coco_json", "a picture of 2^63",
       "{\"images\":[{\"id\":1,\"width\":9223372036854775807,\"height\":9223372036854775807}],"
       "\"annotations\":[],\"categories\":[]}"},
      {"coco_json", "categories",
       "{\"categories\":[" + times(kMany / 8, "{\"id\":1},") +
           "{\"id\":1}],\"images\":[],\"annotations\":[]}"},
      {"detections", "nested lists", times(kMany, "[")},
      {"detections", "commas", "[" + times(kMany, ",")},
      {"detections", "a name of folders",
       "[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,1,1,1],\"score\":1,\"file_name\":\"" +
           times(kMany / 2, "a/") + "\"}]"},
      {"cells", "columns", times(kMany, ",")},
      {"cells", "quotes", times(kMany, "\"")},
      {"cells", "rows", words},
      {"class_names", "empty lines", times(kMany, "\n")},
      {"class_names", "names", words},
      {"choices", "lines", words},
      {"choices", "one line", times(kMany, "a")},
      {"command_line", "words", times(kMany / 8, "--ratio\n")},
      {"command_line", "commas", "--scenarios\n" + times(kMany, ",")},
      {"command_line", "ratios", "--annotations\na\n--ratio\n" + times(kMany, "9")},
      {"configuration", "lines", words},
      {"configuration", "settings", times(kMany / 5, "a: 1\n")},
      {"seal", "lines", times(kMany / 5, "a: 1\n")},
      {"training_log", "rows",
       "step,learning_rate,loss,AP,AP50,robust_AP,robust_AP50\n" + times(kMany / 2, "1\n")},
      {"training_log", "columns", times(kMany, ",")},
      {"checkpoint", "zeros", std::string(kMany, '\0')},
      {"voc_xml", "nested elements", times(kMany / 3, "<a>")},
      {"voc_xml", "attributes", "<a " + times(kMany / 5, "b='' ") + "/>"},
      {"voc_xml", "entities of entities", entities + "]><annotation>&z;</annotation>"},
      {"voc_xml", "a picture of 2^63",
       "<annotation><size><width>9223372036854775807</width><height>9223372036854775807</height>"
       "</size></annotation>"},
      {"yolo_labels", "a class of 2^31", "2147483647 0.5 0.5 1 1\n"},
      {"yolo_labels", "lines", times(kMany / 10, "0 0 0 1 1\n")},
      {"yolo_sets", "nested lists", times(kMany, "[")},
      {"yolo_sets", "nested sequences", times(kMany / 2, "- ")},
      {"yolo_sets", "nested keys", times(kMany / 2, "? ")},
      {"yolo_sets", "aliases of aliases", anchors + "names: *z\ntrain: *z\nval: *z\n"},
      {"yolo_sets", "a class of 2^31", "names: {2147483647: a}\ntrain: .\n"},
      {"yolo_sets", "all of a device", "names = /dev/zero\ntrain = /dev/zero\n"},
      {"yolo_sets", "paths", times(kMany / 4, "a/b\n")},
      {"plan", "as large maps as it may have",
       plan_bomb("[net]\nwidth=512\nheight=512\nchannels=1\n[upsample]\nstride=8\n")},
      {"plan", "larger maps",
       plan_bomb("[net]\nwidth=512\nheight=512\nchannels=1\n[upsample]\nstride=64\n")},
      {"plan", "2^62 names", plan_bomb(net + "[maxpool]\n", std::uint64_t{1} << 62)},
      {"plan", "2^62 bytes of a network", raw(std::uint64_t{1} << 62)},
      {"plan", "layers", plan_bomb(net + times(kMany / 16, "[maxpool]\n"))},
      {"plan_archive", "2^62 numbers", std::string("\x02\0\0", 3) + raw(std::uint64_t{1} << 62)},
      {"plan_archive", "2^62 bytes", std::string(1, '\1') + raw(std::uint64_t{1} << 62)},
  };
}

/// A number of /proc/self/status [kB]; −1 where the system has none.
inline long status_kb(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::stol(line.substr(key.size()));
  return -1;
}

/// Whether the address sanitizer watches, as GCC and clang say it.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kIsWatched = true;
#elif defined(__has_feature)
inline constexpr bool kIsWatched = __has_feature(address_sanitizer);
#else
inline constexpr bool kIsWatched = false;
#endif
/// Of memory that is asked for. What the sanitizer keeps of that which was given back is in use.
inline constexpr long kMostKb = (kIsWatched ? 4 : 1) * 100 * 1000;
/// CPU time, which other processes do not lengthen: a second at full clock, with room for a machine
/// that runs at a sixth of it. What ends sooner is slower only there.
inline constexpr rlim_t kMostSeconds = 6;

/// Sets each off in a process of its own. @return how many cost too much, or have no target.
inline int set_off_bombs() {
  input_file(nullptr, 0, "none");  // the folder of all, which goes with this process
  int failed = 0;
  std::set<std::string_view> without;
  for (const auto& [name, target] : fuzz_targets()) without.insert(name);
  for (const auto& [name, claim, bytes] : bombs()) {
    const auto target = fuzz_targets().find(name);
    if (target == fuzz_targets().end()) continue;  // of a program that is not built here
    without.erase(name);
    std::fflush(stdout);
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    const auto child = ::fork();
    if (child == 0) {
      const auto limit = [](auto resource, ::rlim_t most) {
        const ::rlimit both{most, most};
        ::setrlimit(resource, &both);
      };
      limit(RLIMIT_CPU, kMostSeconds);
      limit(RLIMIT_CORE, 0);
      // Far above the bound, so that what asks for more is seen to do so, and harms no machine; the
      // sanitizer has terabytes.
      if (!kIsWatched) limit(RLIMIT_AS, ::rlim_t{4} << 30);
      // What is asked for counts, whether it is touched or not.
      const long before = status_kb("VmSize:");
      target->second(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      const long used = before < 0 ? 0 : status_kb("VmPeak:") - before;
      const bool told = ::write(ends[1], &used, sizeof used) == sizeof used;
      std::_Exit(told ? 0 : 1);
    }
    ::close(ends[1]);
    long used = -1;
    const bool told = ::read(ends[0], &used, sizeof used) == sizeof used;
    ::close(ends[0]);
    int status = 0;
    ::rusage cost{};
    if (child < 0 || ::wait4(child, &status, 0, &cost) != child) std::abort();
    const double seconds =
        static_cast<double>(cost.ru_utime.tv_sec + cost.ru_stime.tv_sec) +
        1e-6 * static_cast<double>(cost.ru_utime.tv_usec + cost.ru_stime.tv_usec);
    const bool fine = told && status == 0 && used <= kMostKb;
    failed += fine ? 0 : 1;
    std::printf("%s %-13.*s %-35.*s %6zu bytes %7ld kB %6.3f s", fine ? "    " : "BAD ",
                static_cast<int>(name.size()), name.data(), static_cast<int>(claim.size()),
                claim.data(), bytes.size(), used, seconds);
    if (WIFSIGNALED(status)) std::printf(", ended by signal %d", WTERMSIG(status));
    std::printf("\n");
  }
  for (const auto name : without) {
    std::printf("BAD  %.*s: no bomb in tests/fuzz/bombs.hpp\n", static_cast<int>(name.size()),
                name.data());
    ++failed;
  }
  std::printf("each may cost %ld kB and %llu s of the CPU\n", kMostKb,
              static_cast<unsigned long long>(kMostSeconds));
  return failed;
}

}  // namespace serpette::test
