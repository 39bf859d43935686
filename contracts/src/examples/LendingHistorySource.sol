// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {InputWords} from "../libraries/InputWords.sol";
import {InputSource} from "../sources/InputSource.sol";
import {LendingHistory} from "./LendingHistory.sol";

/// @title A model's inputs from past loans
/// @notice Three inputs, each a share from 0 to 1 with two decimals, rounded down: what of all that was borrowed was
/// repaid, was defaulted, and is open. A borrower without loans has zeros.
contract LendingHistorySource is InputSource {
    /// @dev One, in units of the second decimal.
    int64 private constant ONE = 100;

    /// @notice Where the loans are.
    LendingHistory public immutable history;
    /// @notice Bits of an input.
    uint256 public immutable bits;
    /// @notice Inputs a word.
    uint256 public immutable perWord;

    /// @param history_ Where the loans are.
    /// @param schema_ The schema of the model that is run on these inputs.
    /// @param bits_ Bits of an input, of the setup's manifest.
    /// @param perWord_ Inputs a word, of the setup's shape.
    constructor(LendingHistory history_, bytes32 schema_, uint256 bits_, uint256 perWord_)
        InputSource(schema_)
    {
        (history, bits, perWord) = (history_, bits_, perWord_);
        // Refuses a layout under which there are no words.
        inputWordsOf(address(0));
    }

    /// @inheritdoc InputSource
    function inputWordsOf(address subject) public view override returns (uint256[] memory words) {
        LendingHistory.History memory loans = history.historyOf(subject);
        int256[] memory values = new int256[](3);
        values[0] = _share(loans.repaid, loans.borrowed);
        values[1] = _share(loans.defaulted, loans.borrowed);
        values[2] = _share(loans.borrowed - loans.repaid - loans.defaulted, loans.borrowed);
        InputWords.Range[] memory ranges = new InputWords.Range[](3);
        for (uint256 i = 0; i < 3; ++i) {
            ranges[i] = InputWords.Range(0, ONE);
        }
        return InputWords.pack(values, ranges, bits, perWord);
    }

    function _share(uint256 part, uint256 whole) private pure returns (int256) {
        return whole == 0 ? int256(0) : int256(part * uint64(ONE) / whole);
    }
}
