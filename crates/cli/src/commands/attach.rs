//! `verdict attach`.

use verdict::{ChainReader, Error, PublicSetup};

use super::{
    chain::{runtime, wait},
    deploy::places,
};
use crate::{args::Attach, failure::Outcome, ui::Ui};

pub(crate) fn run(args: &Attach, ui: &Ui) -> Outcome {
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let node = args.node.options(args.chain_id);
    let deployment = wait(&*runtime()?, async {
        let chain = ChainReader::connect(node).await?;
        let (oracle, id, solc) = (args.oracle, args.model_id, args.solc.as_deref());
        verdict::attach(&setup, &chain, oracle, id, solc, ui).await
    })?;
    ui.result(&deployment, &places(&deployment, &setup))
}
