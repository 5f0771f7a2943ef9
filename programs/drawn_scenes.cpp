// drawn_scenes: writes a data set of drawn scenes in COCO's layout.
//
// A detector needs pictures with boxes before anything can be trained, attacked or pruned. This
// program draws some, so that a pipeline can be tried and tested with no download: eight classes of
// coloured shapes before textured backgrounds, with overlap, clutter, shadows, uneven light and
// noise. Two pairs of classes differ in colour alone, so that a detector that sees in greyscale can
// be told from one that sees colours.
//
//   drawn_scenes --out scenes --train 2000 --test 200
//   detect --cfg net.cfg --weights net.weights --images scenes/test/images --annotations
//   scenes/test/instances.json …

#include <CLI/CLI.hpp>

#include <fmt/core.h>

#include "serpette/app/program.hpp"
#include "serpette/data/drawn_data.hpp"

namespace serpette::drawn_scenes_program {

int main(int argc, char** argv) {
  return cli::run_main([&] {
    DrawnData data;
    std::filesystem::path out;
    CLI::App app(
        "Draws a data set of coloured shapes in COCO's layout: DIR/train and DIR/test, each with "
        "images/ and instances.json");
    app.add_option("--out", out,
                   "Folder to write; new, empty, or one that already holds this data set")
        ->required();
    app.add_option("--train", data.train, "Pictures to train on")->capture_default_str();
    app.add_option("--test", data.test, "Pictures to test on; the same ones whatever --train is")
        ->capture_default_str();
    app.add_option("--seed", data.seed, "Equal seeds give equal pictures")->capture_default_str();
    app.add_option("--width", data.scenes.width,
                   "Of every picture [pixels]; 0 varies sizes from 112 to 160")
        ->capture_default_str();
    app.add_option("--height", data.scenes.height, "Likewise")->capture_default_str();
    app.add_option("--objects", data.scenes.most_objects, "Most objects in a picture")
        ->capture_default_str();
    app.add_option("--least-size", data.scenes.least_size,
                   "Of an object, percent of the shorter side")
        ->capture_default_str();
    app.add_option("--most-size", data.scenes.most_size, "Likewise")->capture_default_str();
    app.add_option("--noise", data.scenes.noise,
                   "Largest standard deviation of a picture's noise, of 255")
        ->capture_default_str();
    app.add_option("--clutter", data.scenes.clutter,
                   "Most lines, bars, dots and stains in a picture")
        ->capture_default_str();
    app.add_option("--quality", data.jpeg_quality, "Of the JPEG files, 1 to 100; 0 writes PNG")
        ->capture_default_str();
    cli::parse(app, argc, argv);
    const bool written = data.write(out);
    fmt::print("{}: {} pictures to train on, {} to test on{}\n", out.string(), data.train,
               data.test, written ? "" : " (already there)");
  });
}

}  // namespace serpette::drawn_scenes_program
