#pragma once

#include <concepts>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/peers.hpp"

namespace serpette {

/// A detector whose type is not known where it is used: what scores and objectives get when a
/// scenario has become a value (scenario/erased.hpp), so that they are compiled apart from the
/// detector. A handle: copies are the same detector. What the concepts ask of a policy they ask
/// with this type.
class AnyDetector {
 public:
  /// The network in the form that is fast to infer with.
  struct Frozen {
    std::function<std::vector<at::Tensor>(const at::Tensor& images)> run;
    [[nodiscard]] std::vector<at::Tensor> forward(const at::Tensor& images) const {
      return run(images);
    }
  };

  /// @param detector  outlives this.
  template <class D>
    requires(!std::same_as<D, AnyDetector> && Detector<D>)
  explicit AnyDetector(D& detector) : model_(std::make_shared<Held<D>>(detector)) {}

  [[nodiscard]] const Graph& graph() const { return model_->graph(); }
  [[nodiscard]] LayerParameters layer(int index) const { return model_->layer(index); }
  std::vector<at::Tensor> forward(const at::Tensor& images) { return model_->forward(images); }
  [[nodiscard]] DetectionLoss loss(const std::vector<at::Tensor>& heads,
                                   const at::Tensor& truth) const {
    return model_->loss(heads, truth);
  }
  Victim victim(const at::Tensor& truth) { return model_->victim(truth); }
  [[nodiscard]] std::vector<at::Tensor> targets(const std::vector<at::Tensor>& heads,
                                                const at::Tensor& truth, Target target) const {
    return model_->targets(heads, truth, target);
  }
  [[nodiscard]] std::vector<std::vector<Detection>> detections(const std::vector<at::Tensor>& heads,
                                                               const ImageBatch& batch,
                                                               double confidence) const {
    return model_->detections(heads, batch, confidence);
  }
  [[nodiscard]] AnyDetector clone() const { return AnyDetector(model_->clone()); }
  [[nodiscard]] AnyDetector compact(const Mask& mask) const {
    return AnyDetector(model_->compact(mask));
  }
  [[nodiscard]] Frozen frozen() const { return model_->frozen(); }
  void train(bool on) { model_->train(on); }
  std::vector<at::Tensor> parameters() { return model_->parameters(); }
  [[nodiscard]] double momentum() const { return model_->momentum(); }
  void set_momentum(double momentum) { model_->set_momentum(momentum); }
  void set_output_hook(OutputHook hook) { model_->set_output_hook(std::move(hook)); }
  void save(const std::filesystem::path& cfg, const std::filesystem::path& weights) const {
    model_->save(cfg, weights);
  }
  /// @throws Error  always: files do not say of what type their network is.
  static AnyDetector load(const std::filesystem::path& cfg, const std::filesystem::path&) {
    fail(cfg.string(), "should be loaded by the detector's own type, got any");
  }
  void to(at::Device device) { model_->to(device); }
  /// Whom it is trained with.
  [[nodiscard]] Peers peers() const { return model_->peers(); }

 private:
  struct Model {
    virtual ~Model() = default;
    [[nodiscard]] virtual const Graph& graph() const = 0;
    [[nodiscard]] virtual LayerParameters layer(int index) const = 0;
    virtual std::vector<at::Tensor> forward(const at::Tensor&) = 0;
    [[nodiscard]] virtual DetectionLoss loss(const std::vector<at::Tensor>&,
                                             const at::Tensor&) const = 0;
    virtual Victim victim(const at::Tensor&) = 0;
    [[nodiscard]] virtual std::vector<at::Tensor> targets(const std::vector<at::Tensor>&,
                                                          const at::Tensor&, Target) const = 0;
    [[nodiscard]] virtual std::vector<std::vector<Detection>> detections(
        const std::vector<at::Tensor>&, const ImageBatch&, double) const = 0;
    [[nodiscard]] virtual std::shared_ptr<Model> clone() const = 0;
    [[nodiscard]] virtual std::shared_ptr<Model> compact(const Mask&) const = 0;
    [[nodiscard]] virtual Frozen frozen() const = 0;
    virtual void train(bool) = 0;
    virtual std::vector<at::Tensor> parameters() = 0;
    [[nodiscard]] virtual double momentum() const = 0;
    virtual void set_momentum(double) = 0;
    virtual void set_output_hook(OutputHook) = 0;
    virtual void save(const std::filesystem::path&, const std::filesystem::path&) const = 0;
    virtual void to(at::Device) = 0;
    [[nodiscard]] virtual Peers peers() const = 0;
  };

  /// One that lives elsewhere, or here.
  template <class D>
  class Held final : public Model {
   public:
    explicit Held(D& detector) : d_(&detector) {}
    explicit Held(D&& detector) : own_(std::move(detector)), d_(&*own_) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    const Graph& graph() const override { return d_->graph(); }
    LayerParameters layer(int index) const override { return d_->layer(index); }
    std::vector<at::Tensor> forward(const at::Tensor& images) override {
      return d_->forward(images);
    }
    DetectionLoss loss(const std::vector<at::Tensor>& heads,
                       const at::Tensor& truth) const override {
      return d_->loss(heads, truth);
    }
    Victim victim(const at::Tensor& truth) override { return d_->victim(truth); }
    std::vector<at::Tensor> targets(const std::vector<at::Tensor>& heads, const at::Tensor& truth,
                                    Target target) const override {
      return d_->targets(heads, truth, target);
    }
    std::vector<std::vector<Detection>> detections(const std::vector<at::Tensor>& heads,
                                                   const ImageBatch& batch,
                                                   double confidence) const override {
      return d_->detections(heads, batch, confidence);
    }
    std::shared_ptr<Model> clone() const override { return std::make_shared<Held>(d_->clone()); }
    std::shared_ptr<Model> compact(const Mask& mask) const override {
      return std::make_shared<Held>(d_->compact(mask));
    }
    Frozen frozen() const override {
      return {[network = d_->frozen()](const at::Tensor& images) mutable {
        return network.forward(images);
      }};
    }
    void train(bool on) override { d_->train(on); }
    std::vector<at::Tensor> parameters() override { return d_->parameters(); }
    double momentum() const override { return d_->momentum(); }
    void set_momentum(double momentum) override { d_->set_momentum(momentum); }
    void set_output_hook(OutputHook hook) override { d_->set_output_hook(std::move(hook)); }
    void save(const std::filesystem::path& cfg,
              const std::filesystem::path& weights) const override {
      d_->save(cfg, weights);
    }
    void to(at::Device device) override { d_->to(device); }
    Peers peers() const override {
      if constexpr (requires { d_->peers(); })
        return d_->peers();
      else
        return {};
    }

   private:
    std::optional<D> own_;
    D* d_;
  };

  explicit AnyDetector(std::shared_ptr<Model> model) : model_(std::move(model)) {}

  std::shared_ptr<Model> model_;
};
static_assert(Detector<AnyDetector>);

}  // namespace serpette
