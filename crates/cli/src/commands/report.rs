//! `verdict report`.

use std::{path::Path, time::Duration};

use verdict::{
    Error, ProverOptions, PublicSetup, ReportOptions, check_writable,
    report::{Decisions, Measured, Report as Made},
};
use verdict_prover::samples::Samples;

use crate::{
    args::Report,
    failure::{Failure, Outcome},
    ui::{Ui, bytes, grouped, seconds, table},
};

pub(crate) fn run(args: &Report, ui: &Ui) -> Outcome {
    if let Some(out) = &args.out {
        check_writable(out, false).map_err(Error::from)?;
        refuse_to_replace(out, args)?;
    }
    let setup = PublicSetup::open(&args.setup).map_err(Error::from)?;
    let samples = Samples::read(&args.data, &setup.manifest().model.inputs)?;
    let planned = ui.step("plan the circuit as the setup says", || {
        Ok(setup.planned_model(args.model.as_deref())?)
    })?;
    let options = ReportOptions {
        thresholds: args.threshold.clone(),
        prover: ProverOptions { srs: args.srs.srs.clone(), engine: args.computing.options() },
        solc: args.solc.clone(),
    };
    let report = verdict::report(&setup, &planned, &samples, &options, ui)?;
    let mut human = summary(&report);
    if let Some(out) = &args.out {
        report.write_html(out)?;
        human.push(String::new());
        human.push(format!("  {} has all of it, with pictures", out.display()));
    }
    ui.result(&report, &human)
}

/// Refuses a place for the page where the data, the model or a file of the setup is.
fn refuse_to_replace(out: &Path, args: &Report) -> Outcome {
    let Ok(out) = out.canonicalize() else { return Ok(()) };
    let given = [Some(&args.data), args.model.as_ref()].into_iter().flatten();
    let same = given.flat_map(|path| path.canonicalize()).any(|path| path == out);
    let within = args.setup.canonicalize().is_ok_and(|setup| out.starts_with(setup));
    if same || within {
        let message = format!("{} is what the report is made of", out.display());
        return Err(Failure::usage(message).hint("give --out another place"));
    }
    Ok(())
}

fn summary(report: &Made) -> Vec<String> {
    let accuracy = &report.accuracy;
    let [half, most, nearly_all] = accuracy.percentiles;
    let mut rows = vec![
        ("samples", grouped(accuracy.samples as u64)),
        (
            "output error",
            format!(
                "{:.1e} is the largest, {:.1e} the mean; half of the samples are within {half:.1e}, \
                 90 % {most:.1e}, 99 % {nearly_all:.1e}",
                accuracy.largest, accuracy.mean
            ),
        ),
        (
            "furthest off",
            format!(
                "{}: {} is {}, {} is proven",
                accuracy.worst.sample,
                accuracy.worst.output,
                accuracy.worst.float,
                accuracy.worst.proven
            ),
        ),
    ];
    if accuracy.refused_count > 0 {
        let first = accuracy
            .refused
            .first()
            .map_or(String::new(), |refused| format!("; {}: {}", refused.sample, refused.reason));
        rows.push(("refused", format!("{} samples{first}", accuracy.refused_count)));
    }
    let comparisons = report.comparisons.as_ref();
    rows.extend(comparisons.map(|own| ("comparisons", own.to_string())));
    rows.extend(report.decisions.iter().map(|own| ("decisions", decisions(own))));
    rows.push(("rows", format!("2^{}, dominated by {}", report.rows.k, report.rows.dominated_by)));
    rows.push((
        "proof",
        match &report.proof {
            Measured::Value(time) => format!(
                "{} on {} cores with {}, about {}",
                seconds(Duration::from_secs_f64(time.seconds)),
                time.cores,
                time.backend,
                bytes(report.estimate.memory_bytes)
            ),
            Measured::Missing(reason) => format!("not timed: {reason}"),
        },
    ));
    rows.push((
        "gas",
        match &report.gas {
            Measured::Value(gas) => format!(
                "{} a later score, {} a first one; deployment {} and {} for the key",
                grouped(gas.later.today),
                grouped(gas.first.today),
                grouped(gas.verifier_created.today),
                grouped(gas.key_created.today)
            ),
            Measured::Missing(reason) => format!("not measured: {reason}"),
        },
    ));
    let mut lines = table(&rows);
    lines.push(String::new());
    lines.extend(report.advice.iter().map(|own| format!("  less {}: {}", own.lowers, own.text)));
    lines
}

fn decisions(own: &Decisions) -> String {
    let (changed, all) = (own.changed_count, own.same + own.changed_count);
    let closest = match (&own.closest, own.margin) {
        (Some(closest), Some(margin)) => format!("; closest is {closest} by {margin:.1e}"),
        _ => String::new(),
    };
    format!("{}: {changed} of {all} differ{closest}", own.rule)
}
