//! Operators of `ai.onnx.ml`: tree ensembles, linear classifiers, and what pipelines put
//! before them. What they mean where the standard is vague is what onnxruntime does.

mod categories;
mod coupling;
mod encode;
mod ensemble;
mod forest;
mod linear;
mod lists;
mod normalizer;
mod scores;
mod svm;
mod trace;

pub(in crate::onnx) use self::trace::Made;
pub(super) use self::{
    encode::push_step,
    normalizer::{by_norm, lp},
    scores::{of_regression, step_function},
    trace::{is_made_of_inputs, may_be_missing, note, pending, through_steps},
};
use super::super::{
    error::OnnxError,
    node::{Node, Value},
};

/// Lowers a node of the domain, `operator` being its name without the domain.
pub(super) fn lower(node: &mut Node<'_>, operator: &str) -> Result<Vec<Value>, OnnxError> {
    let value = match operator {
        "TreeEnsembleClassifier" => return ensemble::classifier(node),
        "LinearClassifier" => return linear::classifier(node),
        "SVMClassifier" => return svm::classifier(node),
        "SVMRegressor" => svm::regressor(node),
        "TreeEnsembleRegressor" => ensemble::regressor(node),
        "TreeEnsemble" => ensemble::ensemble(node),
        "ArrayFeatureExtractor" => super::pieces::array_feature_extractor(node),
        "FeatureVectorizer" => encode::feature_vectorizer(node),
        "Binarizer" => encode::binarizer(node),
        "CategoryMapper" => categories::category_mapper(node),
        "Imputer" => encode::imputer(node),
        "LabelEncoder" => categories::label_encoder(node),
        "OneHotEncoder" => categories::one_hot(node),
        "Normalizer" => normalizer::lower(node),
        "LinearRegressor" => super::matrix::linear_regressor(node),
        "Scaler" => super::normalize::scaler(node),
        // A dictionary of the columns: the columns themselves are proven.
        "ZipMap" => node.take(0),
        other => Err(node.unsupported(super::hint(other))),
    };
    Ok(vec![value?])
}
