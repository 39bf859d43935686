//! Convolutions against a naive loop, windows that cannot be, and weights in files beside
//! the model.

use std::{fs, path::Path};

use super::protobuf::{field, number};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use verdict_prover::{
    graph::Graph,
    onnx::{self, LoadOptions, OnnxError},
};

fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let list: Vec<u8> = values.iter().flat_map(|&v| number(8, v)).collect();
    field(5, &[field(1, name.as_bytes()), list, number(20, 7)].concat())
}

fn int(name: &str, value: i64) -> Vec<u8> {
    field(5, &[field(1, name.as_bytes()), number(3, value), number(20, 2)].concat())
}

/// A model of one node "window" from x to y with a kernel k.
fn model(op: &str, x: &[i64], kernel: (&[i64], Vec<u8>), attributes: &[Vec<u8>]) -> Vec<u8> {
    let names = match op {
        "Conv" => [field(1, b"x"), field(1, b"k")].concat(),
        _ => field(1, b"x"),
    };
    let node = [names, field(2, b"y"), field(3, b"window"), field(4, op.as_bytes())].concat();
    let node = [node, attributes.concat()].concat();
    let dims: Vec<u8> = kernel.0.iter().flat_map(|&d| number(1, d)).collect();
    let tensor = [dims, number(2, 1), field(8, b"k"), kernel.1].concat();
    let shape: Vec<u8> = x.iter().flat_map(|&d| field(1, &number(1, d))).collect();
    let typed = field(1, &[number(1, 1), field(2, &shape)].concat());
    let input = [field(1, b"x"), field(2, &typed)].concat();
    let graph = [field(1, &node), field(5, &tensor), field(11, &input), field(12, &field(1, b"y"))];
    [number(1, 8), field(7, &graph.concat()), field(8, &number(2, 17))].concat()
}

fn raw(weights: &[f32]) -> Vec<u8> {
    field(9, &weights.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>())
}

fn read(bytes: &[u8]) -> Result<Graph, OnnxError> {
    onnx::parse(bytes, "window", &LoadOptions::default())
}

#[test]
fn random_convolutions_equal_a_naive_loop() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for round in 0..200 {
        let mut pick = |low: i64, high: i64| rng.gen_range(low..=high);
        let (batch, groups, ins, outs) = (pick(1, 2), pick(1, 3), pick(1, 2), pick(1, 2));
        let size = [pick(5, 9), pick(5, 9)];
        let kernel = [pick(1, 3), pick(1, 3)];
        let strides = [pick(1, 3), pick(1, 3)];
        let dilations = [pick(1, 2), pick(1, 2)];
        let pads = [pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)];
        let (c_in, c_out) = (groups * ins, groups * outs);
        let k_shape = [c_out, ins, kernel[0], kernel[1]];
        let weights: Vec<f32> =
            (0..k_shape.iter().product()).map(|_| pick(-8, 8) as f32 / 4.0).collect();
        let x: Vec<f64> =
            (0..batch * c_in * size[0] * size[1]).map(|_| pick(-8, 8) as f64).collect();
        let attributes = [
            ints("strides", &strides),
            ints("dilations", &dilations),
            ints("pads", &pads),
            int("group", groups),
        ];
        let dims = [batch, c_in, size[0], size[1]];
        let graph = read(&model("Conv", &dims, (&k_shape, raw(&weights)), &attributes)).unwrap();
        let got = graph.run(&[&x]).unwrap().concat();

        let extent = |a: usize| {
            (size[a] + pads[a] + pads[a + 2] - dilations[a] * (kernel[a] - 1) - 1) / strides[a] + 1
        };
        let mut expected = vec![];
        for b in 0..batch {
            for o in 0..c_out {
                for r in 0..extent(0) {
                    for c in 0..extent(1) {
                        let mut sum = 0.0;
                        for i in 0..ins {
                            for u in 0..kernel[0] {
                                for v in 0..kernel[1] {
                                    let row = r * strides[0] + u * dilations[0] - pads[0];
                                    let column = c * strides[1] + v * dilations[1] - pads[1];
                                    if row < 0 || row >= size[0] || column < 0 || column >= size[1]
                                    {
                                        continue;
                                    }
                                    let channel = b * c_in + o / outs * ins + i;
                                    let at = (channel * size[0] + row) * size[1] + column;
                                    let k = ((o * ins + i) * kernel[0] + u) * kernel[1] + v;
                                    sum += f64::from(weights[k as usize]) * x[at as usize];
                                }
                            }
                        }
                        expected.push(sum);
                    }
                }
            }
        }
        assert_eq!(got, expected, "round {round}");
    }
}

#[test]
fn windows_that_cannot_be_are_refused_by_node() {
    let kernel = || (&[2, 2, 3, 3][..], raw(&[1.0; 36]));
    let cases: [(&str, &str, &[Vec<u8>], &str); 9] = [
        ("Conv", "zero strides", &[ints("strides", &[0, 1])], "strides"),
        ("Conv", "negative pads", &[ints("pads", &[0, -1, 0, 0])], "pads"),
        ("Conv", "huge dilations", &[ints("dilations", &[1 << 40, 1])], "dilations"),
        ("Conv", "too wide", &[ints("dilations", &[1 << 20, 1])], "a window of"),
        ("Conv", "groups that don't divide", &[int("group", 3)], "3 groups"),
        ("Conv", "no groups", &[int("group", 0)], "0 groups"),
        ("Conv", "pads of another rank", &[ints("pads", &[1, 1])], "pads"),
        ("MaxPool", "an empty kernel", &[ints("kernel_shape", &[0, 2])], "kernel_shape"),
        (
            "MaxPool",
            "huge pads",
            &[ints("kernel_shape", &[2, 2]), ints("pads", &[1 << 23; 4])],
            "exceed",
        ),
    ];
    for (op, what, attributes, reason) in cases {
        let error = read(&model(op, &[1, 2, 5, 5], kernel(), attributes)).unwrap_err().to_string();
        assert!(error.contains("window") && error.contains(reason), "{what}: {error}");
    }
}

#[test]
fn weights_beside_the_model_are_read_and_those_elsewhere_refused() {
    let folder = tempfile::tempdir().unwrap();
    let weights: Vec<u8> = (0..36u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    fs::create_dir(folder.path().join("model")).unwrap();
    let model_folder = folder.path().join("model");
    fs::write(model_folder.join("weights.bin"), [&[0; 8], &weights[..]].concat()).unwrap();
    fs::write(folder.path().join("outside.bin"), &weights).unwrap();
    let load = |location: &str, offset: &str, length: &str| {
        let entry = |key: &str, value: &str| {
            field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
        };
        let place = [
            entry("location", location),
            entry("offset", offset),
            entry("length", length),
            number(14, 1),
        ];
        let bytes = model("Conv", &[1, 2, 5, 5], (&[2, 2, 3, 3], place.concat()), &[]);
        let path = model_folder.join("model.onnx");
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(read(&bytes), Err(OnnxError::ExternalData { .. })));
        onnx::load(Path::new(&path), &LoadOptions::default())
    };
    let graph = load("weights.bin", "8", "144").unwrap();
    let y = graph.run(&[vec![1.0; 50]]).unwrap().concat();
    assert_eq!((y[0], y[9]), ((0..18).sum::<i32>().into(), (18..36).sum::<i32>().into()));
    let other = load("weights.bin", "4", "144").unwrap();
    assert_ne!(graph.sha256, other.sha256);
    for (location, offset, length, reason) in [
        ("../outside.bin", "0", "144", "outside the model's folder"),
        ("/etc/passwd", "0", "4", "outside the model's folder"),
        ("missing.bin", "0", "144", "cannot be read"),
        ("weights.bin", "100", "144", "holds 52 of the 144 bytes"),
        ("weights.bin", "8", "9999999999", "more than the reader takes"),
        ("weights.bin", "x", "144", "offset is x"),
        ("", "0", "144", "outside the model's folder"),
    ] {
        let error = load(location, offset, length).unwrap_err().to_string();
        assert!(error.starts_with("tensor k") && error.contains(reason), "{location}: {error}");
    }
}
