// JPEG file in memory → letterboxed network input [3, 416, 416], one thread, against OpenCV.
//
// Two sets of files: 16 drawn scenes of 640 × 480 (about 100 kB each), and the first 48 photographs
// under $SERPETTE_DATA/coco_dev/images where that is set. A call reads every file of the set once;
// times are per file. "opencv_ms" is imdecode, resize into a grey canvas and blobFromImage (8-bit
// resize: OpenCV's fast way); "decode_ms" is libjpeg's share of ours. Before anything is timed, the
// tensor is compared with OpenCV's float resize of the full decode (error_float, of 1) and with the
// timed 8-bit one. Without OpenCV the peer is left out.
//
//   OMP_NUM_THREADS=1 bench_jpeg --benchmark_out=benchmarks/results/jpeg.json

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#ifdef SERPETTE_HAS_OPENCV
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#endif

#include "serpette/data/drawn_scenes.hpp"
#include "serpette/data/letterbox.hpp"
#include "support/rounds.hpp"

namespace {

using namespace serpette;

constexpr int kSide = 416;
using Canvas = std::vector<float>;

std::vector<std::string> drawn() {
  const DrawnScenes scenes{.width = 640, .height = 480, .noise = 12};
  std::vector<std::string> files;
  for (std::uint64_t i = 0; i < 16; ++i) {
    const auto scene = scenes.draw(Seed(i));
    files.push_back(encode_jpeg(scene.image.rgb, scene.image.width, scene.image.height, 95));
  }
  return files;
}

std::vector<std::string> photographs() {
  const char* data = std::getenv("SERPETTE_DATA");
  if (data == nullptr) return {};
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(data) / "coco_dev/images"))
    paths.push_back(entry.path());
  std::ranges::sort(paths);
  paths.resize(std::min<std::size_t>(paths.size(), 48));
  std::vector<std::string> files;
  for (const auto& path : paths) files.push_back(read_file(path));
  return files;
}

#ifdef SERPETTE_HAS_OPENCV

cv::Mat decoded(const std::string& file) {
  const cv::Mat bytes(1, static_cast<int>(file.size()), CV_8U, const_cast<char*>(file.data()));
  return cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
}

cv::Rect place(const cv::Mat& image) {
  const auto l = Letterbox::fit(image.cols, image.rows, kSide, kSide);
  return {l.left, l.top, l.width, l.height};
}

void opencv_input(const std::string& file, cv::Mat& canvas, cv::Mat& blob) {
  const cv::Mat image = decoded(file);
  const auto where = place(image);
  canvas.setTo(cv::Scalar::all(128));
  cv::resize(image, canvas(where), where.size(), 0, 0, cv::INTER_LINEAR);
  cv::dnn::blobFromImage(canvas, blob, 1 / 255.0, {}, {}, true, false, CV_32F);
}

// Largest difference between ours and a blob, where the picture lies.
double difference(const Canvas& ours, const cv::Mat& blob, const cv::Rect& where) {
  double worst = 0;
  const auto* theirs = blob.ptr<float>();
  for (int c = 0; c < 3; ++c)
    for (int y = where.y; y < where.y + where.height; ++y)
      for (int x = where.x; x < where.x + where.width; ++x) {
        const auto i = static_cast<std::size_t>((c * kSide + y) * kSide + x);
        worst = std::max<double>(worst, std::abs(ours[i] - theirs[i]));
      }
  return worst;
}

#endif

void jpeg_to_input(benchmark::State& state, const std::vector<std::string>& files) {
  if (files.empty()) return state.SkipWithError("no files: set SERPETTE_DATA for photographs");
  const int n = static_cast<int>(files.size());
  Canvas canvas(3 * kSide * kSide);
  std::vector<bench::Contestant> contestants;
  double error_float = 0, error_8bit = 0;
#ifdef SERPETTE_HAS_OPENCV
  cv::setNumThreads(1);
  cv::Mat grey(kSide, kSide, CV_8UC3), blob;
  for (const auto& file : files) {
    letterbox_into(canvas.data(), file, "file", kSide, kSide);
    opencv_input(file, grey, blob);
    cv::Mat image, exact(kSide, kSide, CV_32FC3, cv::Scalar::all(0.5));
    decoded(file).convertTo(image, CV_32F, 1 / 255.0);
    const auto where = place(image);
    error_8bit = std::max(error_8bit, difference(canvas, blob, where));
    cv::resize(image, exact(where), where.size(), 0, 0, cv::INTER_LINEAR);
    error_float = std::max(
        error_float, difference(canvas, cv::dnn::blobFromImage(exact, 1, {}, {}, true), where));
  }
  if (!(error_float < 1.0 / 255 && error_8bit < 1.5 / 255))
    return state.SkipWithError("the tensors disagree");
  contestants.push_back({"opencv_ms",
                         [&] {
                           for (const auto& file : files) opencv_input(file, grey, blob);
                           benchmark::DoNotOptimize(blob.data);
                         },
                         n});
#endif
  contestants.push_back({"serpette_ms",
                         [&] {
                           for (const auto& file : files)
                             letterbox_into(canvas.data(), file, "file", kSide, kSide);
                           benchmark::DoNotOptimize(canvas.data());
                         },
                         n});
  contestants.push_back({"decode_ms",
                         [&] {
                           for (const auto& file : files)
                             stream_image(
                                 file, "file", [](int, int) {},
                                 [](const std::uint8_t* row) { benchmark::DoNotOptimize(row); });
                         },
                         n});
  bench::rounds(state, contestants);
  double bytes = 0;
  for (const auto& file : files) bytes += static_cast<double>(file.size());
  state.counters["files"] = n;
  state.counters["mean_kB"] = bytes / n / 1000;
  state.counters["error_float"] = error_float;
  state.counters["error_8bit"] = error_8bit;
}

#define SERPETTE_TEXT_OF(x) #x
#define SERPETTE_TEXT(x) SERPETTE_TEXT_OF(x)

}  // namespace

BENCHMARK_CAPTURE(jpeg_to_input, drawn_640x480, drawn())
    ->Iterations(31)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(jpeg_to_input, photographs, photographs())
    ->Iterations(31)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

int main(int argc, char** argv) {
#ifdef SERPETTE_HAS_OPENCV
  benchmark::AddCustomContext("opencv", CV_VERSION);
#else
  benchmark::AddCustomContext("opencv", "not found");
#endif
#ifdef LIBJPEG_TURBO_VERSION
  benchmark::AddCustomContext("libjpeg_turbo", SERPETTE_TEXT(LIBJPEG_TURBO_VERSION));
#endif
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
