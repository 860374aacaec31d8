#include "drawing_operators.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "refusal.hpp"

namespace shiftvae {
namespace {

using Shape = std::vector<std::size_t>;
using Inputs = std::vector<const Tensor*>;
constexpr std::size_t most_values = 1U << 24U, most_axes = 4;
constexpr double most_products = 1e10;

void need(bool condition, const DrawingNode& node) {
    if (!condition) refuse_file("decoder.onnx: the inputs of " + shown(node.operation) + " do not fit each other");
}

Tensor empty(const Shape& shape) { return {shape, std::vector<float>(values_of(shape))}; }

// A whole number among the values of a tensor.
std::int64_t whole_number(const DrawingNode& node, float value) {
    need(std::fabs(value) <= 4e9f, node);
    return static_cast<std::int64_t>(value);
}

std::size_t axis_of(const DrawingNode& node, std::int64_t axis, std::size_t rank) {
    if (axis < 0) axis += static_cast<std::int64_t>(rank);
    need(axis >= 0 && axis < static_cast<std::int64_t>(rank), node);
    return static_cast<std::size_t>(axis);
}

// A shape with ones before it, as four axes.
struct Four {
    std::size_t size[most_axes];

    explicit Four(const Shape& shape) {
        for (std::size_t axis = 0; axis < most_axes; ++axis)
            size[axis] = axis + shape.size() < most_axes ? 1 : shape[axis + shape.size() - most_axes];
    }
    // Distances of values along the axes; 0 along those of a single value, which are repeated.
    void distances(std::size_t* apart) const {
        std::size_t next = 1;
        for (std::size_t axis = most_axes; axis-- > 0; next *= size[axis]) apart[axis] = size[axis] == 1 ? 0 : next;
    }
};

Shape broadcast(const DrawingNode& node, const Shape& one, const Shape& other, std::size_t skipped = 0) {
    const std::size_t rank = std::max(one.size(), other.size());
    Shape shape(rank, 1);
    for (std::size_t back = 1 + skipped; back <= rank; ++back) {
        const std::size_t a = back <= one.size() ? one[one.size() - back] : 1;
        const std::size_t b = back <= other.size() ? other[other.size() - back] : 1;
        need(a == b || a == 1 || b == 1, node);
        shape[rank - back] = a == 1 ? b : a;
    }
    return shape;
}

template <class Operation>
Tensor pairwise(const DrawingNode& node, const Inputs& inputs, Operation operation) {
    need(inputs.size() == 2, node);
    const Tensor &one = *inputs[0], &other = *inputs[1];
    Tensor out = empty(broadcast(node, one.shape, other.shape));
    const Four whole(out.shape);
    std::size_t a[most_axes], b[most_axes], at = 0;
    Four(one.shape).distances(a);
    Four(other.shape).distances(b);
    for (std::size_t i = 0; i < whole.size[0]; ++i)
        for (std::size_t j = 0; j < whole.size[1]; ++j)
            for (std::size_t k = 0; k < whole.size[2]; ++k)
                for (std::size_t l = 0; l < whole.size[3]; ++l, ++at)
                    out.values[at] = operation(one.values[i * a[0] + j * a[1] + k * a[2] + l * a[3]],
                                               other.values[i * b[0] + j * b[1] + k * b[2] + l * b[3]]);
    return out;
}

template <class Operation>
Tensor each(const DrawingNode& node, const Inputs& inputs, Operation operation) {
    need(!inputs.empty(), node);
    Tensor out = *inputs[0];
    for (float& value : out.values) value = operation(value);
    return out;
}

Tensor clip(const DrawingNode& node, const Inputs& inputs) {
    need(inputs.size() == 3 && inputs[1]->values.size() == 1 && inputs[2]->values.size() == 1, node);
    const float low = inputs[1]->values[0], high = inputs[2]->values[0];
    return each(node, inputs, [&](float x) { return std::min(std::max(x, low), high); });
}

Tensor multiply(const DrawingNode& node, const Inputs& inputs) {
    need(inputs.size() == 2 && inputs[0]->shape.size() >= 2 && inputs[1]->shape.size() >= 2, node);
    const Tensor &one = *inputs[0], &other = *inputs[1];
    const std::size_t rows = one.shape.end()[-2], depth = one.shape.back(), cols = other.shape.back();
    need(other.shape.end()[-2] == depth, node);
    Shape shape = broadcast(node, one.shape, other.shape, 2);
    shape.end()[-2] = rows;
    shape.back() = cols;
    Tensor out = empty(shape);
    need(static_cast<double>(out.values.size()) * static_cast<double>(depth) <= most_products, node);
    const Four whole(shape);
    std::size_t a[most_axes], b[most_axes];
    Four(one.shape).distances(a);
    Four(other.shape).distances(b);
    std::vector<double> sums(cols);
    float* to = out.values.data();
    for (std::size_t i = 0; i < whole.size[0]; ++i)
        for (std::size_t j = 0; j < whole.size[1]; ++j)
            for (std::size_t row = 0; row < rows; ++row, to += cols) {
                const float* left = one.values.data() + i * a[0] + j * a[1] + row * depth;
                const float* right = other.values.data() + i * b[0] + j * b[1];
                std::fill(sums.begin(), sums.end(), 0.0);
                for (std::size_t k = 0; k < depth; ++k)
                    for (std::size_t col = 0; col < cols; ++col)
                        sums[col] += static_cast<double>(left[k]) * static_cast<double>(right[k * cols + col]);
                std::transform(sums.begin(), sums.end(), to, [](double sum) { return static_cast<float>(sum); });
            }
    return out;
}

Tensor reshape(const DrawingNode& node, const Inputs& inputs) {
    need(inputs.size() == 2 && inputs[1]->values.size() <= most_axes, node);
    Tensor out = *inputs[0];
    const std::vector<float>& wanted = inputs[1]->values;
    std::size_t known = 1, open = wanted.size();
    out.shape.clear();
    for (std::size_t axis = 0; axis < wanted.size(); ++axis) {
        need(wanted[axis] == -1.0f ? open == wanted.size() : wanted[axis] >= 1 && wanted[axis] <= most_values, node);
        if (wanted[axis] < 0) open = axis;
        out.shape.push_back(wanted[axis] < 0 ? 1 : static_cast<std::size_t>(wanted[axis]));
        known *= out.shape.back();
        need(known <= most_values, node);
    }
    if (open < wanted.size()) out.shape[open] = out.values.size() / known;
    need(values_of(out.shape) == out.values.size(), node);
    return out;
}

Tensor transpose(const DrawingNode& node, const Inputs& inputs) {
    need(inputs.size() == 1 && node.axes.size() == inputs[0]->shape.size(), node);
    const Tensor& in = *inputs[0];
    const std::size_t rank = in.shape.size();
    Shape apart(rank), shape(rank), steps(rank), place(rank, 0);
    std::vector<bool> taken(rank, false);
    std::size_t next = 1;
    for (std::size_t axis = rank; axis-- > 0; next *= in.shape[axis]) apart[axis] = next;
    for (std::size_t axis = 0; axis < rank; ++axis) {
        const std::size_t from = axis_of(node, node.axes[axis], rank);
        need(!taken[from], node);
        taken[from] = true;
        shape[axis] = in.shape[from];
        steps[axis] = apart[from];
    }
    Tensor out = empty(shape);
    for (float& value : out.values) {
        std::size_t at = 0;
        for (std::size_t axis = 0; axis < rank; ++axis) at += place[axis] * steps[axis];
        value = in.values[at];
        for (std::size_t back = 1; back <= rank; ++back) {
            const std::size_t axis = rank - back;
            if (++place[axis] < shape[axis]) break;
            place[axis] = 0;
        }
    }
    return out;
}

Tensor unsqueeze(const DrawingNode& node, const Inputs& inputs) {
    need(inputs.size() == 2, node);
    Tensor out = *inputs[0];
    const std::size_t rank = out.shape.size() + inputs[1]->values.size();
    need(rank <= most_axes, node);
    std::vector<bool> fresh(rank, false);
    for (const float axis : inputs[1]->values) fresh[axis_of(node, whole_number(node, axis), rank)] = true;
    need(static_cast<std::size_t>(std::count(fresh.begin(), fresh.end(), true)) == inputs[1]->values.size(), node);
    Shape shape;
    for (std::size_t axis = 0, old = 0; axis < rank; ++axis) shape.push_back(fresh[axis] ? 1 : out.shape[old++]);
    out.shape = std::move(shape);
    return out;
}

// A tensor as (before, size along an axis, after).
struct Along {
    std::size_t before = 1, size, after = 1;

    Along(const Shape& shape, std::size_t axis) : size(shape[axis]) {
        for (std::size_t i = 0; i < axis; ++i) before *= shape[i];
        for (std::size_t i = axis + 1; i < shape.size(); ++i) after *= shape[i];
    }
};

Tensor slice(const DrawingNode& node, const Inputs& inputs) {
    need(inputs.size() == 5, node);
    for (std::size_t i = 1; i < 5; ++i) need(inputs[i]->values.size() == 1, node);
    const Tensor& in = *inputs[0];
    const std::size_t axis = axis_of(node, whole_number(node, inputs[3]->values[0]), in.shape.size());
    const auto size = static_cast<double>(in.shape[axis]);
    const std::int64_t step = whole_number(node, inputs[4]->values[0]);
    const auto bound = [&](float value) {
        const double at = static_cast<double>(value);
        return std::min(std::max(at < 0 ? at + size : at, 0.0), size);
    };
    const double first = bound(inputs[1]->values[0]), last = bound(inputs[2]->values[0]);
    need(step >= 1 && first < last, node);
    Shape shape = in.shape;
    shape[axis] = static_cast<std::size_t>(std::ceil((last - first) / static_cast<double>(step)));
    Tensor out = empty(shape);
    const Along from(in.shape, axis);
    float* to = out.values.data();
    for (std::size_t i = 0; i < from.before; ++i)
        for (std::size_t j = 0; j < shape[axis]; ++j, to += from.after) {
            const std::size_t place = static_cast<std::size_t>(first) + j * static_cast<std::size_t>(step);
            std::copy_n(in.values.data() + (i * from.size + place) * from.after, from.after, to);
        }
    return out;
}

Tensor concatenate(const DrawingNode& node, const Inputs& inputs) {
    need(!inputs.empty(), node);
    const std::size_t axis = axis_of(node, node.axis, inputs[0]->shape.size());
    Shape shape = inputs[0]->shape;
    shape[axis] = 0;
    for (const Tensor* in : inputs) {
        need(in->shape.size() == shape.size(), node);
        for (std::size_t i = 0; i < shape.size(); ++i) need(i == axis || in->shape[i] == shape[i], node);
        shape[axis] += in->shape[axis];
    }
    Tensor out = empty(shape);
    const Along whole(shape, axis);
    float* to = out.values.data();
    for (std::size_t i = 0; i < whole.before; ++i)
        for (const Tensor* in : inputs) {
            const std::size_t count = in->shape[axis] * whole.after;
            std::copy_n(in->values.data() + i * count, count, to);
            to += count;
        }
    return out;
}

// The axes may come as an attribute or as the second input.
Tensor reduce_mean(const DrawingNode& node, const Inputs& inputs) {
    need(!inputs.empty() && inputs.size() <= 2 && node.keeps_dimensions == 1, node);
    const Tensor& in = *inputs[0];
    std::vector<std::int64_t> axes = node.axes;
    if (inputs.size() == 2)
        for (const float axis : inputs[1]->values) axes.push_back(whole_number(node, axis));
    Shape shape = in.shape;
    for (const std::int64_t axis : axes) shape[axis_of(node, axis, shape.size())] = 1;
    Tensor out = empty(shape);
    const Four whole(in.shape);
    std::size_t apart[most_axes], at = 0;
    Four(shape).distances(apart);
    std::vector<double> sums(out.values.size(), 0.0);
    for (std::size_t i = 0; i < whole.size[0]; ++i)
        for (std::size_t j = 0; j < whole.size[1]; ++j)
            for (std::size_t k = 0; k < whole.size[2]; ++k)
                for (std::size_t l = 0; l < whole.size[3]; ++l, ++at)
                    sums[i * apart[0] + j * apart[1] + k * apart[2] + l * apart[3]] +=
                        static_cast<double>(in.values[at]);
    const auto share = static_cast<double>(out.values.size()) / static_cast<double>(in.values.size());
    std::transform(sums.begin(), sums.end(), out.values.begin(),
                   [&](double sum) { return static_cast<float>(sum * share); });
    return out;
}

// Bilinear, with the corners of the image at -1 and 1, and its edge repeated beyond.
Tensor grid_sample(const DrawingNode& node, const Inputs& inputs) {
    need(inputs.size() == 2 && inputs[0]->shape.size() == 4 && inputs[1]->shape.size() == 4, node);
    const Tensor &image = *inputs[0], &places = *inputs[1];
    need(node.aligns_corners == 1 && node.padding == "border" && (node.mode == "bilinear" || node.mode == "linear") &&
             places.shape[3] == 2 && places.shape[0] == image.shape[0],
         node);
    const std::size_t count = image.shape[0], channels = image.shape[1], height = image.shape[2],
                      width = image.shape[3], pixels = places.shape[1] * places.shape[2];
    Tensor out = empty({count, channels, places.shape[1], places.shape[2]});
    const auto split = [](double at, std::size_t size, std::size_t& low, std::size_t& high) {
        at = std::min(std::max((at + 1) / 2 * static_cast<double>(size - 1), 0.0), static_cast<double>(size - 1));
        low = at > 0 ? static_cast<std::size_t>(at) : 0;  // NaN is 0
        high = std::min(low + 1, size - 1);
        return at > 0 ? at - static_cast<double>(low) : 0.0;
    };
    for (std::size_t n = 0; n < count; ++n)
        for (std::size_t p = 0; p < pixels; ++p) {
            const float* place = places.values.data() + (n * pixels + p) * 2;
            std::size_t left, right, top, bottom;
            const double u = split(static_cast<double>(place[0]), width, left, right);
            const double v = split(static_cast<double>(place[1]), height, top, bottom);
            for (std::size_t c = 0; c < channels; ++c) {
                const float* from = image.values.data() + (n * channels + c) * height * width;
                const auto at = [&](std::size_t y, std::size_t x) { return static_cast<double>(from[y * width + x]); };
                const double above = at(top, left) * (1 - u) + at(top, right) * u;
                const double below = at(bottom, left) * (1 - u) + at(bottom, right) * u;
                out.values[(n * channels + c) * pixels + p] = static_cast<float>(above * (1 - v) + below * v);
            }
        }
    return out;
}

}  // namespace

std::size_t values_of(const Shape& shape) {
    std::size_t count = 1;
    if (shape.size() > most_axes) refuse_file("decoder.onnx: a tensor of more than 4 axes");
    for (const std::size_t size : shape) {
        if (size < 1 || count > most_values / size) refuse_file("decoder.onnx: a tensor is empty or too large");
        count *= size;
    }
    return count;
}

Tensor run_operator(const DrawingNode& node, const Inputs& inputs) {
    const std::string& name = node.operation;
    if (name == "Add") return pairwise(node, inputs, [](float a, float b) { return a + b; });
    if (name == "Sub") return pairwise(node, inputs, [](float a, float b) { return a - b; });
    if (name == "Mul") return pairwise(node, inputs, [](float a, float b) { return a * b; });
    if (name == "Div") return pairwise(node, inputs, [](float a, float b) { return a / b; });
    if (name == "Abs") return each(node, inputs, [](float x) { return std::fabs(x); });
    if (name == "Relu") return each(node, inputs, [](float x) { return std::max(x, 0.0f); });
    if (name == "Round") return each(node, inputs, [](float x) { return std::nearbyintf(x); });
    if (name == "Sqrt") return each(node, inputs, [](float x) { return std::sqrt(x); });
    if (name == "Cos") return each(node, inputs, [](float x) { return std::cos(x); });
    if (name == "Sin") return each(node, inputs, [](float x) { return std::sin(x); });
    if (name == "Exp") return each(node, inputs, [](float x) { return std::exp(x); });
    if (name == "Tanh") return each(node, inputs, [](float x) { return std::tanh(x); });
    if (name == "Sigmoid") return each(node, inputs, [](float x) { return 1 / (1 + std::exp(-x)); });
    if (name == "Identity") return each(node, inputs, [](float x) { return x; });
    if (name == "Clip") return clip(node, inputs);
    if (name == "MatMul") return multiply(node, inputs);
    if (name == "Reshape") return reshape(node, inputs);
    if (name == "Transpose") return transpose(node, inputs);
    if (name == "Unsqueeze") return unsqueeze(node, inputs);
    if (name == "Slice") return slice(node, inputs);
    if (name == "Concat") return concatenate(node, inputs);
    if (name == "ReduceMean") return reduce_mean(node, inputs);
    if (name == "GridSample") return grid_sample(node, inputs);
    refuse(SV_UNSUPPORTED, "the decoder uses the operator " + shown(name) + ", which this library does not know");
}

}  // namespace shiftvae
